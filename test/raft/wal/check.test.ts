// The check of a log's files reports the result of the next start, and changes nothing.
import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after as afterAll, test } from "node:test";
import type { LogIndex } from "../../../raft/core/ids.js";
import { checkWal } from "../../../raft/wal/check.js";
import { ensureDirectory, nodeDisk } from "../../../platform/disk.js";
import { WalDamagedError, WalFailedError } from "../../../raft/wal/errors.js";
import { seededRandom } from "../../../testing/random.js";
import {
  append,
  directory,
  entry,
  hardState,
  open,
  batchesOf,
  position,
  recover,
  restart,
  settle,
} from "./fixtures.js";
import { diskError, SimDisk } from "../../../testing/sim-disk.js";

const reading = new Set(["list", "open", "size", "read", "close"]);

/** Checks the log, and asserts that the check only reads. */
const check = async (disk: SimDisk) => {
  const before = disk.contents();
  disk.onOperation = (operation) => {
    assert.ok(reading.has(operation.kind), operation.kind);
    return undefined;
  };
  const report = await checkWal(disk.boot(), directory);
  disk.onOperation = () => undefined;
  assert.deepEqual(disk.contents(), before);
  return report;
};

/** Creates a log of several segments with two batches each, the oldest truncated. */
const aLog = async (): Promise<SimDisk> => {
  const disk = new SimDisk({ random: seededRandom(1) });
  const { wal } = await open(disk.boot());
  for (const batch of batchesOf(10, 600)) await append(wal, batch);
  wal.truncate(5 as LogIndex);
  await settle();
  await wal.close();
  return disk;
};

test("checkWal reports an intact log as the next start reads it", async () => {
  const disk = await aLog();
  const report = await check(disk);
  assert.equal(report.problem, undefined);
  assert.deepEqual(
    report.segments,
    [...disk.contents().keys()].filter((file) => file.endsWith(".wal")),
  );
  assert.deepEqual(report.obsolete, []);
  assert.deepEqual(report.log, await recover(disk));
  assert.deepEqual(report.log.base, position(4, 1));
});

test("checkWal reports an empty directory as a log that has not begun", async () => {
  const disk = new SimDisk({ random: seededRandom(1) });
  await ensureDirectory(disk.boot(), directory);
  const { log, problem, segments } = await check(disk);
  assert.deepEqual([log, problem, segments], [undefined, undefined, []]);
});

test("checkWal reports a torn end and leaves it to the next start", async () => {
  const disk = await aLog();
  const last = [...disk.contents().keys()].filter((file) => file.endsWith(".wal")).at(-1)!;
  const bytes = disk.contents().get(last)!;
  bytes.fill(0, 1536, 2048);
  disk.place(last, bytes);
  const { log } = await check(disk);
  assert.deepEqual(log?.repaired?.file, last);
  assert.deepEqual(log, await recover(disk));
  assert.equal((await check(disk)).log?.repaired, undefined, "now it is cut");
});

test("checkWal reports the obsolete segments of an interrupted restart", async () => {
  const disk = await aLog();
  const leftovers = [...disk.contents()].filter(([file]) => file.endsWith(".wal"));
  const { wal } = await open(disk.boot());
  await restart(wal, position(100, 1), hardState(1, batchesOf(1)[0]!.hardState!.vote));
  await append(wal, { hardState: undefined, entries: [entry(101, 1)] });
  await settle();
  await wal.close();
  for (const [file, bytes] of leftovers) disk.place(file, bytes);
  const { log, obsolete, segments } = await check(disk);
  assert.deepEqual(
    obsolete,
    leftovers.map(([file]) => file),
  );
  assert.equal(segments.length, 1);
  assert.equal(log?.base.index, 100);
});

test("checkWal reports damage with file, offset and reason, as the next start does", async () => {
  const disk = await aLog();
  const files = [...disk.contents().keys()].filter((file) => file.endsWith(".wal"));
  for (const file of files)
    for (const at of [0, 100, 520, 700, 1030]) {
      const bytes = disk.contents().get(file)!;
      const before = bytes.slice();
      bytes[at]! ^= 4;
      disk.place(file, bytes);
      const { log, problem } = await check(disk);
      assert.equal(log, undefined);
      assert.ok(problem instanceof WalDamagedError);
      assert.equal(problem.file, file);
      await assert.rejects(recover(disk), { message: problem.message });
      disk.place(file, before);
    }
  assert.equal((await check(disk)).problem, undefined);
});

test("checkWal throws with the file's name if a file cannot be read", async () => {
  const disk = await aLog();
  disk.onOperation = (operation) => (operation.kind === "read" ? diskError("EIO", operation) : undefined);
  await assert.rejects(checkWal(disk.boot(), directory), (error) => {
    assert.ok(error instanceof WalFailedError);
    assert.match(error.message, /^Cannot read \/member\/wal\/.*\.wal: EIO/);
    return true;
  });
});

test("checkWal writes nothing on the real disk, also in a read-only directory", async () => {
  const temporary = await mkdtemp(path.join(tmpdir(), "minietcd-check-"));
  afterAll(async () => {
    await chmod(temporary, 0o700);
    await rm(temporary, { recursive: true });
  });
  const { wal } = await open(nodeDisk, { directory: temporary });
  for (const batch of batchesOf(5, 600)) await append(wal, batch);
  await wal.close();
  const contents = async (): Promise<[string, Buffer][]> => {
    const names = (await readdir(temporary)).sort();
    return Promise.all(
      names.map(async (name) => [name, await readFile(path.join(temporary, name))] as [string, Buffer]),
    );
  };
  const before = await contents();
  for (const [name] of before) await chmod(path.join(temporary, name), 0o400);
  await chmod(temporary, 0o500);
  const { log } = await checkWal(nodeDisk, temporary);
  assert.equal(log?.entries.length, 5);
  assert.deepEqual(await contents(), before);
});

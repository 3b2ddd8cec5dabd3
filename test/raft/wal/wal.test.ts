// A restart reads the appended batches back, on the real disk and on the simulated one.
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after as afterAll, describe, test } from "node:test";
import type { Batch } from "../../../raft/wal/batch.js";
import { listLogFiles } from "../../../raft/wal/segment-files.js";
import { nodeDisk, type Disk } from "../../../platform/disk.js";
import type { OpenOptions } from "../../../raft/wal/open.js";
import { seededRandom } from "../../../testing/random.js";
import {
  after,
  append,
  directory,
  emptyModel,
  entry,
  hardState,
  modelOf,
  open,
  batchesOf,
  recover,
  settle,
  writeLog,
} from "./fixtures.js";
import { SimDisk } from "../../../testing/sim-disk.js";

const temporary = await mkdtemp(path.join(tmpdir(), "minietcd-wal-"));
afterAll(() => rm(temporary, { recursive: true }));

let logs = 0;
/** Returns a fresh log's disk, and the options to open it with. */
const places: [string, () => Partial<OpenOptions> & { readonly disk: Disk; readonly directory: string }][] = [
  ["on the real disk", () => ({ disk: nodeDisk, directory: path.join(temporary, `log-${++logs}`, "member", "wal") })],
  [
    "on the simulated disk",
    () => ({ disk: new SimDisk({ random: seededRandom(1) }).boot(), directory: "/member/wal" }),
  ],
];

for (const [name, fresh] of places)
  describe(name, () => {
    /** Writes each list of batches into the same log, which is closed and reopened in between. Returns the contents at the end. */
    const writeAndRead = async (place: Partial<OpenOptions> & { readonly disk: Disk }, ...runs: Batch[][]) => {
      for (const batches of runs) {
        const { wal } = await open(place.disk, place);
        for (const batch of batches) await append(wal, batch);
        await wal.close();
      }
      const { wal, recovered } = await open(place.disk, place);
      await wal.close();
      assert.equal(recovered.repaired, undefined);
      return modelOf(recovered);
    };

    test("an empty directory is an empty log", async () => {
      assert.deepEqual(await writeAndRead(fresh()), emptyModel);
    });

    test("a log opened and closed without an append is still empty", async () => {
      assert.deepEqual(await writeAndRead(fresh(), [], []), emptyModel);
    });

    test("entries and hard state are recovered over many segments and restarts", async () => {
      const batches = batchesOf(90, 70);
      const runs = [batches.slice(0, 40), batches.slice(40, 41), [], batches.slice(41)];
      assert.deepEqual(await writeAndRead(fresh(), ...runs), after(emptyModel, ...batches));
    });

    test("a batch may hold only a hard state, only entries, or neither", async () => {
      const batches: Batch[] = [
        { hardState: hardState(3, 2n ** 64n - 1n), entries: [] },
        { hardState: undefined, entries: [entry(1, 2), entry(2, 3, 0)] },
        { hardState: undefined, entries: [] },
        { hardState: hardState(3, 2n ** 64n - 1n, 2), entries: [] },
      ];
      assert.deepEqual(await writeAndRead(fresh(), batches), after(emptyModel, ...batches));
    });

    test("entries replace the log from their first index on, also across segments", async () => {
      const batches: Batch[] = [
        { hardState: hardState(1), entries: Array.from({ length: 60 }, (_, at) => entry(at + 1, 1)) },
        { hardState: undefined, entries: [entry(61, 1, 900)] },
        { hardState: hardState(2), entries: [entry(30, 2, 700)] },
        { hardState: hardState(3), entries: [entry(1, 3, 900), entry(2, 3)] },
        { hardState: undefined, entries: [entry(3, 3)] },
      ];
      const read = await writeAndRead(fresh(), batches.slice(0, 3), batches.slice(3));
      assert.deepEqual(read, after(emptyModel, ...batches));
      assert.equal(read.entries.length, 3);
    });

    test("a batch larger than a segment gets a segment of its own", async () => {
      const place = fresh();
      const batches = batchesOf(3).concat({
        hardState: undefined,
        entries: [entry(4, 1, 30_000), entry(5, 1, 600)],
      });
      const more: Batch = { hardState: undefined, entries: [entry(6, 1)] };
      assert.deepEqual(await writeAndRead(place, batches, [more]), after(emptyModel, ...batches, more));
    });

    test("batches of every length near a sector's and a segment's end are recovered", async () => {
      const batches: Batch[] = [];
      for (let bytes = 440; bytes < 530; bytes++)
        batches.push({ hardState: hardState(1), entries: [entry(batches.length + 1, 1, bytes)] });
      for (let bytes = 1450; bytes < 1550; bytes += 3)
        batches.push({ hardState: hardState(1), entries: [entry(batches.length + 1, 1, bytes)] });
      assert.deepEqual(await writeAndRead(fresh(), batches), after(emptyModel, ...batches));
    });

    test("close finishes and reports the append under way", async () => {
      const place = fresh();
      const { wal } = await open(place.disk, place);
      const [first, second] = batchesOf(2) as [Batch, Batch];
      await append(wal, first);
      let durable = false;
      wal.append(second.hardState, second.entries, () => (durable = true));
      assert.equal(durable, false, "never synchronously");
      await Promise.all([wal.close(), wal.close()]);
      assert.equal(durable, true);
      assert.throws(() => wal.append(undefined, [], () => undefined), /closed/);
      assert.deepEqual(await writeAndRead(place), after(emptyModel, first, second));
    });
  });

const anEmptyDisk = (): SimDisk => new SimDisk({ random: seededRandom(1) });

test("an append may start in the callback of the one before, and only one at a time", async () => {
  const { wal } = await open(anEmptyDisk().boot());
  const [first, second] = batchesOf(2) as [Batch, Batch];
  await new Promise<void>((resolve) =>
    wal.append(first.hardState, first.entries, () => wal.append(second.hardState, second.entries, resolve)),
  );
  wal.append(undefined, [], () => undefined);
  assert.throws(() => wal.append(undefined, [], () => undefined), /another append is under way/);
  assert.equal(wal.lastIndex, 2);
  await wal.close();
});

test("a batch is one write into a file of constant length", async () => {
  const disk = anEmptyDisk();
  const { wal } = await open(disk.boot(), { segmentBytes: 64 * 1024 });
  const [first, ...rest] = batchesOf(20) as [Batch, ...Batch[]];
  await append(wal, first);
  const kinds: string[] = [];
  const size = [...disk.contents().values()].map((bytes) => bytes.length);
  disk.onOperation = ({ kind }) => void kinds.push(kind);
  for (const batch of rest) await append(wal, batch);
  assert.deepEqual(
    kinds,
    rest.map(() => "write"),
  );
  assert.deepEqual(
    [...disk.contents().values()].map((bytes) => bytes.length),
    size,
  );
  await wal.close();
});

test("the next segment is prepared before the current one is full", async () => {
  const disk = anEmptyDisk();
  const { wal } = await open(disk.boot());
  for (const batch of batchesOf(15, 40)) await append(wal, batch);
  assert.deepEqual(
    [...disk.contents().keys()].map((file) => path.basename(file)),
    ["0000000000000001-0000000000000001.wal", "next.tmp"],
  );
  await wal.close();
});

test("a large append is written as several records, and is done once all of them are durable", async () => {
  const disk = anEmptyDisk();
  const segmentBytes = 64 * 1024;
  const { wal } = await open(disk.boot(), { segmentBytes });
  const first: Batch = { hardState: hardState(1, 7n, 0), entries: [entry(1, 1)] };
  await append(wal, first);
  const large: Batch = {
    hardState: hardState(2, 7n, 4),
    entries: [2, 3, 4, 5].map((index) => entry(index, 2, 12_000)),
  };
  let writes = 0;
  disk.onOperation = (operation) => {
    if (operation.kind === "write" && operation.path.endsWith(".wal")) writes++;
    return undefined;
  };
  let done = 0;
  wal.append(large.hardState, large.entries, () => done++);
  await settle();
  assert.deepEqual([writes, done], [2, 1]);
  await wal.close();
  assert.deepEqual(modelOf(await recover(disk, { segmentBytes })), after(emptyModel, first, large));
});

test("a large append that is out of order is refused before anything of it is written", async () => {
  const disk = anEmptyDisk();
  const { wal } = await open(disk.boot());
  const good: Batch = { hardState: hardState(1, 7n, 0), entries: [entry(1, 1)] };
  await append(wal, good);
  const entries = [entry(2, 1, 900), entry(3, 1, 900), entry(5, 1, 900)];
  assert.throws(() => wal.append(undefined, entries, () => undefined), /entry 5 of term 1 after 3/);
  await wal.close();
  assert.deepEqual(modelOf(await recover(disk)), after(emptyModel, good));
});

const refused: [string, Batch, RegExp][] = [
  ["a gap", { hardState: undefined, entries: [entry(4, 2)] }, /entry 4 after entry 2/],
  ["a term that falls", { hardState: hardState(1, 7n, 1), entries: [] }, /term 1 after term 2/],
  ["an entry whose term falls", { hardState: undefined, entries: [entry(3, 1)] }, /entry 3 of term 1 after term 2/],
  ["an entry of a term to come", { hardState: undefined, entries: [entry(3, 3)] }, /entry 3 of term 3 in term 2/],
  ["a second vote in one term", { hardState: hardState(2, 8n, 1), entries: [] }, /a second vote in term 2/],
  ["a withdrawn vote", { hardState: hardState(2, 0n, 1), entries: [] }, /a second vote in term 2/],
  ["a commit index that falls", { hardState: hardState(2, 7n, 0), entries: [] }, /commit index 0 after 1/],
  ["a commit index past the log", { hardState: hardState(2, 7n, 3), entries: [] }, /beyond the last entry 2/],
  [
    "another entry in a committed place",
    { hardState: undefined, entries: [entry(1, 2)] },
    /entry 1 replaces a committed/,
  ],
  ["entries out of order", { hardState: undefined, entries: [entry(3, 2), entry(5, 2)] }, /entry 5/],
];
for (const [what, batch, message] of refused)
  test(`append refuses ${what} and writes nothing`, async () => {
    const disk = anEmptyDisk();
    const { wal } = await open(disk.boot());
    const good: Batch = { hardState: hardState(2, 7n, 1), entries: [entry(1, 1), entry(2, 2)] };
    await append(wal, good);
    assert.throws(() => wal.append(batch.hardState, batch.entries, () => undefined), message);
    const next: Batch = { hardState: undefined, entries: [entry(3, 2)] };
    await append(wal, next);
    await wal.close();
    assert.deepEqual(modelOf(await recover(disk)), after(emptyModel, good, next));
  });

test("openWal refuses a segment size that is no multiple of a sector", async () => {
  for (const segmentBytes of [0, 512, 1000])
    await assert.rejects(open(anEmptyDisk().boot(), { segmentBytes }), RangeError);
});

test("openWal removes an unfinished segment and keeps foreign files", async () => {
  const disk = anEmptyDisk();
  await writeLog(disk, batchesOf(3));
  disk.place("/member/wal/next.tmp", Uint8Array.of(1, 2, 3));
  disk.place("/member/wal/README", Uint8Array.of(4));
  assert.deepEqual(modelOf(await recover(disk)), after(emptyModel, ...batchesOf(3)));
  assert.deepEqual(disk.contents().get("/member/wal/README"), Uint8Array.of(4));
  assert.equal(disk.contents().get("/member/wal/next.tmp"), undefined);
});

test("segments have the configured size from the start, also on the real disk", async () => {
  const directory = path.join(temporary, "sizes");
  const { wal } = await open(nodeDisk, { directory, segmentBytes: 4096 });
  for (const batch of batchesOf(30, 100)) await append(wal, batch);
  await wal.close();
  const segments = (await readdir(directory)).filter((name) => name !== "next.tmp");
  assert.ok(segments.length > 1);
  for (const name of segments) {
    assert.match(name, /^[0-9a-f]{16}-[0-9a-f]{16}\.wal$/);
    assert.equal((await stat(path.join(directory, name))).size, 4096);
  }
});

test("the first segment of a new log is small: the first append waits for fewer zeros", async () => {
  const disk = new SimDisk({ random: seededRandom(1) }).boot();
  const { wal } = await open(disk, { segmentBytes: 16 * 1024 * 1024 });
  const sizes = new Map<number, number>();
  for (let index = 1; sizes.size < 2; index++) {
    await append(wal, { hardState: hardState(1), entries: [entry(index, 1, 1024 * 1024)] });
    for (const { header } of (await listLogFiles(disk, directory)).segments)
      sizes.set(header.sequence, header.fileBytes);
  }
  await wal.close();
  assert.deepEqual([...sizes.values()], [4 * 1024 * 1024, 16 * 1024 * 1024]);
});

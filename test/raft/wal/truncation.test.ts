// Old segments are removed once the state machine holds their entries, and nothing else is.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after as afterAll, test } from "node:test";
import type { LogIndex } from "../../../raft/core/ids.js";
import type { Batch } from "../../../raft/wal/batch.js";
import { nodeDisk, type Disk } from "../../../platform/disk.js";
import { WalDamagedError } from "../../../raft/wal/errors.js";
import type { Wal } from "../../../raft/wal/wal.js";
import {
  after,
  append,
  assertRead,
  emptyModel,
  entry,
  hardState,
  modelOf,
  open,
  batchesOf,
  recover,
  settle,
  truncateModel,
  writeLog,
} from "./fixtures.js";
import { diskError, type SimDisk, type DiskOperation } from "../../../testing/sim-disk.js";
import { aDisk, copyOf, stopAt, stopEverywhere, stops, takeSteps } from "./stops.js";
import { dataOf } from "../../../testing/entries.js";

const index = (value: number): LogIndex => value as LogIndex;

/** Numbers of the segments on `disk`. */
const segmentsOn = (disk: SimDisk): number[] =>
  [...disk.contents().keys()]
    .filter((file) => file.endsWith(".wal"))
    .map((file) => Number(`0x${path.basename(file).slice(0, 16)}`));

/** Twelve batches of one entry, three to a segment: they begin at 1, 4, 7 and 10. */
const batches = batchesOf(12, 460);
const whole = after(emptyModel, ...batches);

const writeBatches = async (disk: SimDisk): Promise<Wal> => {
  const { wal } = await open(disk.boot());
  for (const batch of batches) await append(wal, batch);
  return wal;
};

const keeps: [number, number[], number][] = [
  [0, [1, 2, 3, 4], 0],
  [2, [1, 2, 3, 4], 0],
  [3, [2, 3, 4], 3],
  [8, [3, 4], 6],
  [9, [4], 9],
  [12, [4], 9],
];
for (const [through, segments, base] of keeps)
  test(`truncation up to ${through} removes whole segments, and the rest is recovered`, async () => {
    const disk = aDisk();
    const wal = await writeBatches(disk);
    wal.truncate(index(through));
    await settle();
    await wal.close();
    assert.deepEqual(segmentsOn(disk), segments);
    const read = await recover(disk);
    assert.deepEqual(modelOf(read), truncateModel(whole, base));
  });

test("a truncated log accepts appends and further truncations", async () => {
  const disk = aDisk();
  await (await writeBatches(disk)).close();
  for (const through of [5, 11]) {
    const { wal, recovered } = await open(disk.boot());
    wal.truncate(index(through));
    const next: Batch = { hardState: undefined, entries: [entry(recovered.entries.at(-1)!.index + 1, 1, 700)] };
    await append(wal, next);
    await settle();
    await wal.close();
  }
  const both: Batch[] = [13, 14].map((at) => ({ hardState: undefined, entries: [entry(at, 1, 700)] }));
  assertRead(modelOf(await recover(disk)), truncateModel(after(whole, ...both), 11));
  assert.deepEqual(segmentsOn(disk), [4, 5]);
});

test("truncation works on the real disk", async () => {
  const temporary = await mkdtemp(path.join(tmpdir(), "minietcd-truncation-"));
  afterAll(() => rm(temporary, { recursive: true }));
  const removed: string[] = [];
  let whenRemoved: () => void = () => undefined;
  const disk: Disk = {
    ...nodeDisk,
    remove: (file, done) =>
      nodeDisk.remove(file, (error) => {
        removed.push(path.basename(file).slice(14, 16));
        done(error);
      }),
    syncDirectory: (name, done) =>
      nodeDisk.syncDirectory(name, (error) => {
        done(error);
        if (removed.length === 2) whenRemoved();
      }),
  };
  const { wal } = await open(disk, { directory: temporary });
  for (const batch of batches) await append(wal, batch);
  await new Promise<void>((resolve) => {
    whenRemoved = resolve;
    wal.truncate(index(6));
  });
  await wal.close();
  assert.deepEqual(removed, ["01", "02"]);
  const { wal: again, recovered } = await open(nodeDisk, { directory: temporary });
  await again.close();
  assert.deepEqual(modelOf(recovered), truncateModel(whole, 6));
});

test("segments are removed oldest first, each durably before the next", async () => {
  const disk = aDisk();
  const wal = await writeBatches(disk);
  const operations: string[] = [];
  disk.onOperation = ({ kind, path: file }) => void operations.push(`${kind} ${path.basename(file).slice(14, 16)}`);
  wal.truncate(index(9));
  await settle();
  assert.deepEqual(operations, [
    "remove 01",
    "syncDirectory ",
    "remove 02",
    "syncDirectory ",
    "remove 03",
    "syncDirectory ",
  ]);
  await wal.close();
});

for (const kind of ["remove", "syncDirectory"] as const)
  test(`a failed ${kind} is reported, the log accepts appends, and the next truncation tries again`, async () => {
    const disk = aDisk();
    const received: string[] = [];
    const { wal } = await open(disk.boot(), { onRemovalFailure: (error) => void received.push(error.message) });
    for (const batch of batches) await append(wal, batch);
    disk.onOperation = (operation: DiskOperation) =>
      operation.kind === kind ? diskError("EIO", operation) : undefined;
    wal.truncate(index(7));
    await settle();
    assert.equal(received.length, 1);
    assert.match(received[0]!, kind === "remove" ? /^Cannot remove .*1\.wal: EIO/ : /^Cannot sync \/member\/wal: EIO/);
    disk.onOperation = () => undefined;
    const next: Batch = { hardState: undefined, entries: [entry(13, 1, 10)] };
    await append(wal, next);
    wal.truncate(index(7));
    await settle();
    await wal.close();
    assert.deepEqual(segmentsOn(disk), [3, 4, 5]);
    assert.equal(received.length, 1);
    assertRead(modelOf(await recover(disk)), truncateModel(after(whole, next), 7));
  });

test("a closed or failed log removes nothing", async () => {
  const disk = aDisk();
  const wal = await writeBatches(disk);
  wal.truncate(index(9));
  await wal.close();
  const left = segmentsOn(disk);
  wal.truncate(index(12));
  await settle();
  assert.deepEqual(segmentsOn(disk), left);
});

test("a truncated entry cannot be replaced", async () => {
  const disk = aDisk();
  const { wal } = await open(disk.boot());
  await append(wal, { hardState: hardState(1), entries: [entry(1, 1), entry(2, 1), entry(3, 1)] });
  wal.truncate(index(2));
  assert.throws(() => wal.append(hardState(2), [entry(2, 2)], () => undefined), /entry 2 replaces a truncated one/);
  await append(wal, { hardState: hardState(2), entries: [entry(3, 2)] });
  await wal.close();
});

/**
 * A log that was once longer: its segments begin at 1, 5, 4 and 6, as each of the later ones replaces entries of the one before. In the
 * end all entries are committed.
 */
const wavering: Batch[] = [
  { hardState: hardState(1), entries: [entry(1, 1, 400), entry(2, 1, 400), entry(3, 1, 400), entry(4, 1, 200)] },
  { hardState: undefined, entries: [entry(5, 1, 900), entry(6, 1, 500)] },
  { hardState: hardState(2), entries: [entry(3, 2, 40)] },
  { hardState: undefined, entries: [entry(4, 2, 700), entry(5, 2, 600)] },
  { hardState: hardState(3), entries: [entry(2, 3, 50), entry(3, 3, 50)] },
  { hardState: undefined, entries: [entry(4, 3, 30), entry(5, 3, 1200)] },
  { hardState: hardState(3, 0n, 5), entries: [entry(6, 3, 900)] },
];

test("a log with replaced entries recovers after any truncation of its front", async () => {
  const written = after(emptyModel, ...wavering);
  const disk = aDisk();
  await writeLog(disk, wavering);
  const files = disk.contents();
  const starts = [...files.keys()]
    .filter((file) => file.endsWith(".wal"))
    .map((file) => Number(`0x${path.basename(file, ".wal").slice(17)}`));
  assert.ok(
    starts.some((start, at) => start < (starts[at - 1] ?? 0)),
    `a later segment begins earlier: ${starts.join()}`,
  );
  for (let through = 0; through <= 6; through++)
    for (let at = 0; at < 8; at++) {
      const copy = aDisk(at);
      for (const [file, bytes] of files) copy.place(file, bytes);
      const { wal } = await open(copy.boot());
      stopAt(copy, "powerCut", at);
      wal.truncate(index(through));
      await settle();
      copy.onOperation = () => undefined;
      copy.powerCut();
      const read = modelOf(await recover(copy));
      const hint = `through ${through}, stopped at ${at}`;
      assertRead(read, truncateModel(written, through), hint);
      assert.deepEqual(read.base, truncateModel(written, read.base.index).base, hint);
    }
});

for (const stop of stops)
  test(`a ${stop} at any operation of truncations and appends loses no entry that was not truncated`, async () => {
    const more = [13, 14, 15, 16].map((at) => ({ hardState: undefined, entries: [entry(at, 1, 600)] }));
    const through = [2, 6, 7, 9, 12];
    const start = aDisk();
    await (await writeBatches(start)).close();
    const truncateAndAppend = (disk: SimDisk): Promise<number> =>
      takeSteps(disk, (wal, at, done) => {
        const batch = more[at];
        wal.truncate(index(through[at] ?? 0));
        if (batch !== undefined) wal.append(batch.hardState, batch.entries, done);
      });
    const whenDone = copyOf(start);
    assert.equal(await truncateAndAppend(whenDone), more.length);
    assert.deepEqual(segmentsOn(whenDone), [5, 6]);
    const check = async (disk: SimDisk, acknowledged: number, hint: string): Promise<void> => {
      const read = modelOf(await recover(disk));
      const kept = read.entries.at(-1)!.index - 12;
      assert.ok(kept === acknowledged || kept === acknowledged + 1, hint);
      const now = truncateModel(after(whole, ...more.slice(0, kept)), through[acknowledged]!);
      assertRead(read, now, hint);
      const { wal } = await open(disk.boot());
      for (const batch of more.slice(kept)) await append(wal, batch);
      wal.truncate(index(12));
      await settle();
      disk.powerCut();
      assertRead(modelOf(await recover(disk)), truncateModel(after(whole, ...more), 12), hint);
      assert.deepEqual(segmentsOn(disk), [5, 6], hint);
    };
    await stopEverywhere({ start, stop, work: truncateAndAppend, check });
  });

test("a missing segment at the front counts as truncated; one in the middle is damage", async () => {
  const start = aDisk();
  await (await writeBatches(start)).close();
  const files = [...start.contents().keys()].filter((file) => file.endsWith(".wal"));
  const diskWithout = (missing: number): SimDisk => {
    const disk = aDisk();
    for (const [file, bytes] of start.contents()) disk.place(file, bytes);
    disk.erase(files[missing]!);
    return disk;
  };
  assert.deepEqual(modelOf(await recover(diskWithout(0))), truncateModel(whole, 3));
  for (const missing of [1, 2])
    await assert.rejects(recover(diskWithout(missing)), (error) => {
      assert.ok(error instanceof WalDamagedError);
      assert.equal(error.file, files[missing + 1]);
      assert.match(error.message, new RegExp(`segment ${missing + 2} where segment ${missing + 1} should be`));
      return true;
    });
});

test("recovered entries do not keep whole segments in memory", async () => {
  const disk = aDisk();
  const segmentBytes = 1024 * 1024;
  const large: Batch = { hardState: undefined, entries: [entry(41, 1, 200_000), entry(42, 1, 10)] };
  await writeLog(disk, [...batchesOf(40, 1000), large], { segmentBytes });
  const { entries } = await recover(disk, { segmentBytes });
  for (const each of entries) {
    const { index } = each;
    assert.ok(dataOf(each).buffer.byteLength <= (index < 41 ? 65_536 : 200_100), `entry ${index}`);
  }
  const distinct = new Set(entries.map((each) => dataOf(each).buffer));
  assert.equal(distinct.size, 2, "small ones lie side by side");
});

// A failing disk, and a full disk.
import assert from "node:assert/strict";
import { test } from "node:test";
import { WalFailedError } from "../../../raft/wal/errors.js";
import type { Wal } from "../../../raft/wal/wal.js";
import type { Batch } from "../../../raft/wal/batch.js";
import { seededRandom } from "../../../testing/random.js";
import {
  after,
  append,
  directory,
  emptyModel,
  modelOf,
  open,
  batchesOf,
  recover,
  settle,
  writeLog,
} from "./fixtures.js";
import { diskError, SimDisk, type OperationKind } from "../../../testing/sim-disk.js";

const acknowledge = (): never => assert.fail("acknowledged");

/** The failing operation, its file, and the error that the member gets. */
const failures: [string, OperationKind, RegExp, RegExp][] = [
  ["a write", "write", /1\.wal$/, /^Cannot write \/member\/wal\/0+1-0+1\.wal: EIO/],
  ["creating the next segment", "open", /next\.tmp$/, /^Cannot create \/member\/wal\/next\.tmp: EIO/],
  ["filling the next segment", "write", /next\.tmp$/, /^Cannot write \/member\/wal\/next\.tmp: EIO/],
  ["naming the next segment", "rename", /next\.tmp$/, /^Cannot rename \/member\/wal\/next\.tmp: EIO/],
  ["syncing the directory", "syncDirectory", /wal$/, /^Cannot sync \/member\/wal: EIO/],
];

for (const [what, kind, file, message] of failures)
  test(`a failure of ${what} is reported once with the file's name, and nothing is acknowledged or retried`, async () => {
    const disk = new SimDisk({ random: seededRandom(1) });
    const reported: Error[] = [];
    const { wal } = await open(disk.boot(), { onFailure: (error) => void reported.push(error) });
    const batches = batchesOf(12, 400);
    await append(wal, batches[0]!);
    let faults = 0;
    disk.onOperation = (operation) => {
      if (operation.kind !== kind || !file.test(operation.path)) return undefined;
      faults++;
      return diskError("EIO", operation);
    };
    let acknowledged = 1;
    const appendNext = (): void => {
      const { hardState, entries } = batches[acknowledged]!;
      wal.append(hardState, entries, () => {
        acknowledged++;
        if (reported.length > 0) acknowledge();
        if (acknowledged < batches.length) appendNext();
      });
    };
    appendNext();
    await settle();
    assert.equal(reported.length, 1);
    assert.ok(reported[0] instanceof WalFailedError);
    assert.match(reported[0].message, message);
    assert.throws(() => wal.append(undefined, [], acknowledge), /it has failed/);
    wal.retryNextSegment();
    await settle();
    assert.equal(faults, 1);
    await wal.close();

    disk.onOperation = () => undefined;
    disk.powerCut();
    const read = modelOf(await recover(disk));
    assert.deepEqual(
      read,
      after(emptyModel, ...batches.slice(0, Math.max(acknowledged, read.entries.length))),
      "what was acknowledged, and at most the batch that failed",
    );
    assert.ok(read.entries.length <= acknowledged + 1);
  });

for (const kind of ["read", "write", "syncDirectory"] as const)
  test(`openWal throws with the file's name if a ${kind} fails`, async () => {
    const disk = new SimDisk({ random: seededRandom(1) });
    await writeLog(disk, batchesOf(2));
    disk.onOperation = (operation) =>
      operation.kind === kind && operation.path.startsWith(directory) ? diskError("EIO", operation) : undefined;
    await assert.rejects(open(disk.boot()), (error) => {
      assert.ok(error instanceof WalFailedError);
      assert.match(error.message, /^Cannot (read|open|sync) \/member\/wal.*: EIO/);
      return true;
    });
  });

/** Creates a log on a disk with space for one and a half segments, and a batch that does not fit. */
const fullLog = async (): Promise<{
  readonly disk: SimDisk;
  readonly wal: Wal;
  readonly heard: boolean[];
  readonly written: readonly Batch[];
  readonly waiting: Batch;
}> => {
  const disk = new SimDisk({ random: seededRandom(1) });
  disk.capacityBytes = 3000;
  const heard: boolean[] = [];
  const { wal } = await open(disk.boot(), { onFull: (full) => void heard.push(full) });
  const batches = batchesOf(4, 400);
  const written = batches.slice(0, 3);
  for (const batch of written) await append(wal, batch);
  await settle();
  return { disk, wal, heard, written, waiting: batches[3]! };
};

test("without space for the next segment the log reports it and continues in the current one", async () => {
  const { wal, heard } = await fullLog();
  assert.deepEqual(heard, [true]);
  assert.equal(wal.isFull, true);
  await wal.close();
});

test("an append that does not fit waits for space", async () => {
  const { disk, wal, heard, written, waiting } = await fullLog();
  let acknowledged = false;
  wal.append(waiting.hardState, waiting.entries, () => (acknowledged = true));
  await settle();
  wal.retryNextSegment();
  await settle();
  assert.equal(acknowledged, false);
  assert.deepEqual(heard, [true]);
  disk.capacityBytes = Infinity;
  wal.retryNextSegment();
  await settle();
  assert.equal(acknowledged, true);
  assert.deepEqual(heard, [true, false]);
  assert.equal(wal.isFull, false);
  await wal.close();
  assert.deepEqual(modelOf(await recover(disk)), after(emptyModel, ...written, waiting));
});

test("with less free space than the reserve no segment is created", async () => {
  const disk = new SimDisk({ random: seededRandom(1) });
  const heard: boolean[] = [];
  const options = { reserveBytes: 10_000, onFull: (full: boolean) => void heard.push(full) };
  const { wal } = await open(disk.boot(), options);
  const batches = batchesOf(5, 400);
  disk.capacityBytes = 2048 + 2048 + 10_000 - 1;
  for (const batch of batches.slice(0, 3)) await append(wal, batch);
  await settle();
  assert.deepEqual(heard, [true]);
  assert.equal([...disk.contents().keys()].filter((file) => file.endsWith("next.tmp")).length, 0);
  let acknowledged = false;
  wal.append(batches[3]!.hardState, batches[3]!.entries, () => (acknowledged = true));
  wal.retryNextSegment();
  await settle();
  assert.equal(acknowledged, false);
  disk.capacityBytes += 1;
  wal.retryNextSegment();
  await settle();
  assert.equal(acknowledged, true);
  assert.deepEqual(heard, [true, false]);
  await wal.close();
  assert.deepEqual(modelOf(await recover(disk)), after(emptyModel, ...batches.slice(0, 4)));
});

/** The file descriptors that a log needs for its next segment, and the system's error for the lack of each. */
const shortages = [
  ["open", /next\.tmp$/, "EMFILE"],
  ["open", /next\.tmp$/, "ENFILE"],
  ["syncDirectory", /wal$/, "EMFILE"],
  ["syncDirectory", /wal$/, "ENFILE"],
] as const;

for (const [kind, file, code] of shortages)
  test(`an append waits while ${kind} of the next segment fails with ${code}, and is acknowledged afterwards`, async () => {
    const disk = new SimDisk({ random: seededRandom(1) });
    const heard: unknown[] = [];
    const { wal } = await open(disk.boot(), { onFull: (...change) => void heard.push(change) });
    const batches = batchesOf(6, 400);
    await append(wal, batches[0]!);
    await settle();
    let isShort = true;
    disk.onOperation = (operation) =>
      isShort && operation.kind === kind && file.test(operation.path) ? diskError(code, operation) : undefined;
    let acknowledged = 1;
    const appendNext = (): void => {
      const { hardState, entries } = batches[acknowledged]!;
      wal.append(hardState, entries, () => {
        acknowledged++;
        if (acknowledged < batches.length) appendNext();
      });
    };
    appendNext();
    await settle();
    assert.deepEqual(heard, [[true, "descriptors"]]);
    assert.equal(wal.isFull, true);
    const before = acknowledged;
    assert.ok(before < batches.length);
    for (let n = 0; n < 3; n++) {
      wal.retryNextSegment();
      await settle();
    }
    assert.equal(acknowledged, before);
    isShort = false;
    wal.retryNextSegment();
    wal.retryNextSegment();
    await settle();
    assert.equal(acknowledged, batches.length);
    assert.deepEqual(heard, [
      [true, "descriptors"],
      [false, "descriptors"],
    ]);
    assert.equal(wal.isFull, false);
    await wal.close();
    disk.powerCut();
    assert.deepEqual(modelOf(await recover(disk)), after(emptyModel, ...batches));
  });

test("close before the next segment's name is synced acknowledges nothing and leaves no file open", async () => {
  const disk = new SimDisk({ random: seededRandom(1) });
  let opened = 0;
  let isShort = false;
  disk.onOperation = (operation) => {
    if (isShort && operation.kind === "syncDirectory") return diskError("EMFILE", operation);
    if (operation.kind === "open") opened++;
    if (operation.kind === "close") opened--;
    return undefined;
  };
  const { wal } = await open(disk.boot());
  const batches = batchesOf(1, 400);
  isShort = true;
  wal.append(batches[0]!.hardState, batches[0]!.entries, acknowledge);
  await settle();
  assert.equal(wal.isFull, true);
  await wal.close();
  assert.equal(opened, 0);
  disk.onOperation = () => undefined;
  wal.retryNextSegment();
  await settle();
});

test("close drops an append that waits for space", async () => {
  const { disk, wal, written, waiting } = await fullLog();
  wal.append(waiting.hardState, waiting.entries, acknowledge);
  await settle();
  await wal.close();
  disk.capacityBytes = Infinity;
  wal.retryNextSegment();
  await settle();
  assert.deepEqual(modelOf(await recover(disk)), after(emptyModel, ...written));
});

test("close works while the next segment is being filled", async () => {
  const disk = new SimDisk({ random: seededRandom(1) });
  const { wal } = await open(disk.boot());
  const [first] = batchesOf(1) as [Batch];
  wal.append(first.hardState, first.entries, acknowledge); // the first segment does not exist yet
  await wal.close();
  let operations = 0;
  disk.onOperation = () => {
    operations++;
    return undefined;
  };
  await settle();
  assert.equal(operations, 0, "nothing goes on behind a closed log");
  assert.deepEqual(modelOf(await recover(disk)), emptyModel);
});

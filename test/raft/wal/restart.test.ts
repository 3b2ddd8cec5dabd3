// A restart of the log at an installed snapshot: a stop leaves the old log or the new one.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import type { LogBase } from "../../../raft/core/configuration.js";
import { noMember, type LogIndex } from "../../../raft/core/ids.js";
import type { HardState } from "../../../raft/core/types.js";
import type { Batch } from "../../../raft/wal/batch.js";
import { WalDamagedError } from "../../../raft/wal/errors.js";
import {
  after,
  append,
  emptyModel,
  entry,
  hardState,
  isRead,
  modelOf,
  open,
  batchesOf,
  position,
  recover,
  restart,
  settle,
  writeLog,
  type Model,
} from "./fixtures.js";
import { diskError, type SimDisk } from "../../../testing/sim-disk.js";
import { aDisk, copyOf, stopEverywhere, stops, takeSteps } from "./stops.js";

const segmentsOn = (disk: SimDisk): string[] =>
  [...disk.contents().keys()].filter((file) => file.endsWith(".wal")).map((file) => path.basename(file));

const vote = 0xfedc_ba98_7654_3210n;
const before = batchesOf(8, 460);
const base = position(100, 2);
const state = hardState(2, 9n, 100);
const old = after(emptyModel, ...before);
const anew: Model = { hardState: state, base, entries: [] };
const behind: Batch[] = [101, 102, 103].map((at) => ({ hardState: undefined, entries: [entry(at, 2, 600)] }));

test("a restarted log is empty behind its base, keeps the hard state and accepts appends", async () => {
  const disk = aDisk();
  const { wal } = await open(disk.boot());
  for (const batch of before) await append(wal, batch);
  let durable = false;
  wal.restart(base, state, () => (durable = true));
  assert.equal(durable, false, "never synchronously");
  assert.equal(wal.lastIndex, 100);
  assert.throws(() => wal.append(undefined, [], () => undefined), /another append is under way/);
  await settle();
  assert.equal(durable, true);
  await wal.close();
  assert.deepEqual(modelOf(await recover(disk)), anew);
  await writeLog(disk, behind);
  const read = await recover(disk);
  assert.deepEqual(modelOf(read), after(anew, ...behind));
  assert.equal(read.repaired, undefined);
});

test("a restart removes the earlier segments; later ones are truncated as usual", async () => {
  const disk = aDisk();
  const { wal } = await open(disk.boot());
  for (const batch of before) await append(wal, batch);
  await restart(wal, base, state);
  await settle();
  assert.deepEqual(segmentsOn(disk), ["0000000000000004-0000000000000065.wal"]);
  for (const batch of behind) await append(wal, batch);
  wal.truncate(102 as LogIndex);
  await settle();
  await wal.close();
  assert.deepEqual(segmentsOn(disk), ["0000000000000005-0000000000000067.wal"]);
  assert.deepEqual(modelOf(await recover(disk)).base, position(102, 2));
});

test("an empty log, a restarted log and a log at its last index may restart", async () => {
  const disk = aDisk();
  const { wal } = await open(disk.boot());
  await restart(wal, position(7, 1), hardState(1));
  await restart(wal, position(7, 1), hardState(1));
  await append(wal, { hardState: undefined, entries: [entry(8, 1)] });
  await restart(wal, position(8, 1), hardState(1));
  await append(wal, { hardState: undefined, entries: [entry(9, 1)] });
  await settle();
  await wal.close();
  const { hardState: read, ...rest } = modelOf(await recover(disk));
  assert.deepEqual(rest, { base: position(8, 1), entries: [entry(9, 1)] });
  assert.deepEqual(read, hardState(1, noMember, 8), "what is in the state machine counts as committed");
  assert.equal(segmentsOn(disk).length, 1);
});

const refused: [string, LogBase, HardState, RegExp][] = [
  ["behind what is committed", position(6, 1), hardState(1, vote), /entry 6 is before the committed 7/],
  ["behind the new commit index", position(8, 1), hardState(1, vote, 9), /entry 8 is before the committed 9/],
  ["in a term to come", position(9, 3), hardState(2, vote), /entry 9 of term 3 in term 2/],
  ["in a term that falls", position(9, 0), hardState(0), /term 0 after term 1/],
  ["with a second vote", position(9, 1), hardState(1, 5n), /a second vote in term 1/],
  ["with a forgotten vote", position(9, 1), hardState(1), /a second vote in term 1/],
];
for (const [what, at, newState, message] of refused)
  test(`restart is refused ${what}, and the log is unchanged`, async () => {
    const disk = aDisk();
    const { wal } = await open(disk.boot());
    for (const batch of before) await append(wal, batch);
    assert.throws(() => wal.restart(at, newState, () => assert.fail("done")), message);
    const next: Batch = { hardState: undefined, entries: [entry(9, 1)] };
    await append(wal, next);
    await wal.close();
    assert.deepEqual(modelOf(await recover(disk)), after(old, next));
    assert.throws(() => wal.restart(base, state, () => assert.fail("done")), /closed/);
  });

test("entries before a restart's base cannot be replaced", async () => {
  const { wal } = await open(aDisk().boot());
  await restart(wal, base, hardState(2));
  for (const at of [99, 100])
    assert.throws(() => wal.append(undefined, [entry(at, 2)], () => undefined), /replaces a committed one/);
  assert.throws(() => wal.append(undefined, [entry(102, 2)], () => undefined), /entry 102 after entry 100/);
  assert.throws(() => wal.append(undefined, [entry(101, 1)], () => undefined), /entry 101 of term 1 after term 2/);
  await wal.close();
});

/** Restarts the log and appends to it. Returns how many of these steps were acknowledged. */
const restartAndAppend = (disk: SimDisk): Promise<number> =>
  takeSteps(disk, (wal, at, done) => {
    const batch = behind[at - 1];
    if (at === 0) wal.restart(base, state, done);
    else if (batch !== undefined) wal.append(batch.hardState, batch.entries, done);
  });

/** The possible logs after a stop when n steps were acknowledged: n steps, or one more. */
const states: readonly Model[] = [old, anew, ...behind.map((_, at) => after(anew, ...behind.slice(0, at + 1)))];

for (const stop of stops)
  test(`a ${stop} at any operation of a restart leaves the old log or the new one, and it accepts appends`, async () => {
    const start = aDisk();
    await writeLog(start, before);
    assert.equal(await restartAndAppend(copyOf(start)), states.length - 1);
    const found = new Set<number>();
    const check = async (disk: SimDisk, acknowledged: number, hint: string): Promise<void> => {
      const read = modelOf(await recover(disk));
      const kept = states.findIndex((each) => isRead(read, each) && isRead(each, read));
      assert.ok(kept === acknowledged || kept === acknowledged + 1, `${hint}: ${kept} after ${acknowledged}`);
      found.add(kept);
      // The log that was read is durable, and the remaining steps succeed, whatever files the stop left.
      const { wal } = await open(disk.boot());
      if (kept === 0) await restart(wal, base, state);
      for (const batch of behind.slice(Math.max(0, kept - 1))) await append(wal, batch);
      await settle();
      disk.powerCut();
      assert.deepEqual(modelOf(await recover(disk)), states.at(-1), hint);
    };
    await stopEverywhere({ start, stop, work: restartAndAppend, check });
    assert.deepEqual([...found].sort(), [0, 1, 2, 3, 4], "each of them was seen");
  });

test("openWal ignores and removes the segments that an interrupted restart left", async () => {
  const start = aDisk();
  await writeLog(start, before);
  const leftovers = [...start.contents()].filter(([file]) => file.endsWith(".wal"));
  assert.equal(leftovers.length, 3);
  const { wal } = await open(start.boot());
  await restart(wal, base, state);
  for (const batch of behind) await append(wal, batch);
  await settle();
  await wal.close();
  const kept = segmentsOn(start);
  for (let mask = 0; mask < 8; mask++) {
    const disk = aDisk();
    for (const [file, bytes] of start.contents()) disk.place(file, bytes);
    for (const [at, [file, bytes]] of leftovers.entries()) if ((mask & (1 << at)) !== 0) disk.place(file, bytes);
    const opened = await open(disk.boot());
    await settle();
    await opened.wal.close();
    assert.deepEqual(modelOf(opened.recovered), after(anew, ...behind), `leftovers ${mask.toString(2)}`);
    assert.deepEqual(segmentsOn(disk), kept);
  }
});

test("a missing segment after a restart is damage", async () => {
  const disk = aDisk();
  const { wal } = await open(disk.boot());
  await restart(wal, base, state);
  for (const batch of behind) await append(wal, batch);
  for (const at of [104, 105, 106]) await append(wal, { hardState: undefined, entries: [entry(at, 2, 900)] });
  await wal.close();
  const [, second, third] = segmentsOn(disk) as [string, string, string];
  disk.erase(`/member/wal/${second}`);
  await assert.rejects(recover(disk), (error) => {
    assert.ok(error instanceof WalDamagedError);
    assert.equal(path.basename(error.file), third);
    return true;
  });
});

test("a restart waits for space", async () => {
  const disk = aDisk();
  disk.capacityBytes = 3000;
  const heard: boolean[] = [];
  const { wal } = await open(disk.boot(), { onFull: (full) => void heard.push(full) });
  await append(wal, { hardState: hardState(1), entries: [entry(1, 1, 1200)] });
  let durable = false;
  wal.restart(base, hardState(2), () => (durable = true));
  await settle();
  assert.equal(durable, false);
  assert.deepEqual(heard, [true]);
  disk.capacityBytes = Infinity;
  wal.retryNextSegment();
  await settle();
  assert.equal(durable, true);
  assert.deepEqual(heard, [true, false]);
  await wal.close();
  assert.deepEqual(modelOf(await recover(disk)).base, base);
});

test("a failed restart is never reported as done, and the old log is recovered", async () => {
  const disk = aDisk();
  const reported: Error[] = [];
  const { wal } = await open(disk.boot(), { onFailure: (error) => void reported.push(error) });
  for (const batch of before.slice(0, 2)) await append(wal, batch);
  disk.onOperation = (operation) => (operation.kind === "rename" ? diskError("EIO", operation) : undefined);
  wal.restart(base, hardState(2), () => assert.fail("done"));
  await settle();
  assert.equal(reported.length, 1);
  await wal.close();
  disk.onOperation = () => undefined;
  disk.powerCut();
  assert.deepEqual(modelOf(await recover(disk)), after(emptyModel, ...before.slice(0, 2)));
});

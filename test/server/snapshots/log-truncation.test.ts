import { commandEntry } from "../../../testing/entries.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry, LogIndex } from "../../../raft/index.js";
import { LogTruncation, type LogTruncationOptions } from "../../../server/snapshots/log-truncation.js";
import { recordingLogger } from "../member/member-fixtures.js";

const mebibyte = 1024 * 1024;

const entries = (from: number, to: number, bytes = 10): Entry[] =>
  Array.from({ length: to - from + 1 }, (_, n) => commandEntry(from + n, 1, new Uint8Array(bytes)));

/** Sets up a log and its entries; `cuts` are the positions of compactions, `flushes` end when the test says. */
const truncation = (options: Partial<LogTruncationOptions> = {}) => {
  const { logger, lines } = recordingLogger();
  const cuts: number[] = [];
  const flushes: { readonly done: () => void; readonly fail: () => void }[] = [];
  const log = new LogTruncation(
    { snapshotCount: 100, catchUpEntries: 50, base: 0 as LogIndex, applied: [], logger, ...options },
    {
      flush: () =>
        new Promise((resolve, reject) => flushes.push({ done: resolve, fail: () => reject(new Error("read-only")) })),
    },
    { compact: (through) => void cuts.push(through) },
  );
  /** Ends the flush in progress. */
  const waitForFlush = async (): Promise<void> => {
    flushes.shift()?.done();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { log, cuts, flushes, lines, waitForFlush };
};

test("the memory for kept entries is bounded, whatever catchUpEntries is", async () => {
  const { log, cuts, waitForFlush } = truncation({ snapshotCount: 1_500_000, catchUpEntries: Number.MAX_SAFE_INTEGER });
  const data = new Uint8Array();
  for (let index = 1; index <= 1_500_000; index++) log.onEntriesApplied([commandEntry(index, 1, data)]);
  await waitForFlush();
  assert.deepEqual(cuts, [500_000]);
});

test("every snapshotCount entries the log is compacted behind the durable store, except for catchUpEntries", async () => {
  const { log, cuts, flushes, lines, waitForFlush } = truncation();
  log.onEntriesApplied(entries(1, 99));
  assert.equal(flushes.length, 0);
  log.onEntriesApplied(entries(100, 130));
  assert.deepEqual([flushes.length, cuts], [1, []]);
  log.onEntriesApplied(entries(131, 150)); // not part of the flush in progress
  await waitForFlush();
  assert.deepEqual(cuts, [80]);
  log.onEntriesApplied(entries(151, 229));
  assert.equal(flushes.length, 0);
  log.onEntriesApplied(entries(230, 230));
  await waitForFlush();
  assert.deepEqual(cuts, [80, 180]);
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    ["triggering snapshot", "compacted Raft logs", "triggering snapshot", "compacted Raft logs"],
  );
});

test("large entries make a truncation due earlier and are kept in smaller number", async () => {
  const { log, cuts, waitForFlush } = truncation({ snapshotCount: 10_000, catchUpEntries: 5_000 });
  log.onEntriesApplied(entries(1, 63, mebibyte));
  await waitForFlush();
  assert.deepEqual(cuts, []);
  log.onEntriesApplied(entries(64, 80, mebibyte));
  await waitForFlush();
  assert.deepEqual(cuts, [16], "64 MiB stay");
  log.onEntriesApplied(entries(81, 100, 4 * mebibyte));
  await waitForFlush();
  assert.deepEqual(cuts, [16, 84]);
});

test("while a snapshot is being sent the log is kept up to a bound, and truncated afterwards", async () => {
  const { log, cuts, flushes, waitForFlush } = truncation();
  log.hold();
  log.onEntriesApplied(entries(1, 1_000));
  assert.equal(flushes.length, 0);
  log.release();
  await waitForFlush();
  assert.deepEqual(cuts, [950]);

  log.hold();
  log.onEntriesApplied(entries(1_001, 1_500, mebibyte));
  assert.equal(flushes.length, 0);
  log.onEntriesApplied(entries(1_501, 1_600, mebibyte));
  await waitForFlush();
  assert.deepEqual(cuts, [950, 1_550]);
});

test("a member that restarts often truncates its log", async () => {
  const { log, cuts, waitForFlush } = truncation({ base: 500 as LogIndex, applied: entries(501, 590) });
  log.onEntriesApplied(entries(591, 599));
  await waitForFlush();
  assert.deepEqual(cuts, []);
  log.onEntriesApplied(entries(600, 600));
  await waitForFlush();
  assert.deepEqual(cuts, [550]);
});

test("recovered entries count with their bytes", async () => {
  const { log, cuts, waitForFlush } = truncation({ snapshotCount: 10_000, applied: entries(1, 60, 2 * mebibyte) });
  log.onEntriesApplied(entries(61, 61));
  await waitForFlush();
  assert.deepEqual(cuts, [29], "64 MiB stay: 31 of the large ones, and the small one");
});

test("after an installed snapshot a pending truncation does nothing, and counts restart behind it", async () => {
  const { log, cuts, waitForFlush } = truncation();
  log.onEntriesApplied(entries(1, 150));
  log.onInstalled(10_000 as LogIndex);
  await waitForFlush();
  assert.deepEqual(cuts, []);
  log.onEntriesApplied(entries(10_001, 10_099));
  await waitForFlush();
  assert.deepEqual(cuts, []);
  log.onEntriesApplied(entries(10_100, 10_100));
  await waitForFlush();
  assert.deepEqual(cuts, [10_050]);
});

test("the log is not truncated if the store cannot be written", async () => {
  const { log, cuts, flushes } = truncation();
  log.onEntriesApplied(entries(1, 100));
  flushes.shift()?.fail();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(cuts, []);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogIndex } from "../../../raft/index.js";
import { ServerError } from "../../../server/base/errors.js";
import { maxPendingReads } from "../../../server/base/limits.js";
import { maxReadsPerTurn, Reads } from "../../../server/replication/reads.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";

const timeoutMs = 7_000;

const setUp = () => {
  const clock = new VirtualClock();
  const asked: number[] = [];
  let applied = 0;
  let waiters: { readonly index: number; readonly callback: () => void }[] = [];
  const reads = new Reads(
    { timeoutMs, clock },
    { readIndex: (request) => void asked.push(request) },
    { callWhenApplied: (index, callback) => (index <= applied ? callback() : void waiters.push({ index, callback })) },
  );
  /** Starts a read. `ends` gets the results of each read. */
  const ends: string[][] = [];
  const read = (): void => {
    const mine: string[] = [];
    reads.startRead({
      dueSweep: 0,
      onReady: () => mine.push("ready"),
      onError: (error) => mine.push(error instanceof ServerError ? error.code : String(error)),
    });
    ends.push(mine);
  };
  const confirm = (request: number, index = 0): void => reads.onReadState({ request, index: index as LogIndex });
  const apply = (index: number): void => {
    applied = index;
    const due = waiters.filter((waiter) => waiter.index <= index);
    waiters = waiters.filter((waiter) => waiter.index > index);
    for (const { callback } of due) callback();
  };
  return { clock, reads, asked, read, ends, confirm, apply, countWaiting: () => waiters.length };
};

const code = (expected: string) => (error: unknown) => error instanceof ServerError && error.code === expected;

test("reads that arrive together share one round; reads that arrive during it share the next", () => {
  const { clock, asked, read, ends, confirm } = setUp();
  read();
  read();
  assert.deepEqual(asked, []);
  clock.runSoon();
  assert.deepEqual(asked, [1]);
  read(); // begun after the round, which therefore does not confirm it
  read();
  clock.runSoon();
  assert.deepEqual(asked, [1]);
  confirm(1);
  assert.deepEqual(ends, [["ready"], ["ready"], [], []]);
  assert.deepEqual(asked, [1, 2]);
  confirm(2);
  clock.runSoon();
  assert.deepEqual(ends, [["ready"], ["ready"], ["ready"], ["ready"]]);
});

test("many reads of one round are answered a part at a time, with other work between; a stop ends the remaining ones", () => {
  for (const isStopped of [false, true]) {
    const { clock, reads, asked, read, ends, confirm } = setUp();
    const countReady = (): number => ends.filter(([end]) => end === "ready").length;
    for (let n = 0; n < 2 * maxReadsPerTurn + 1; n++) read();
    clock.runSoon();
    confirm(1);
    assert.equal(countReady(), maxReadsPerTurn);
    let between = 0;
    clock.soon(() => (between = countReady()));
    if (isStopped) reads.stop();
    clock.runSoon();
    assert.equal(between, (isStopped ? 1 : 2) * maxReadsPerTurn);
    assert.ok(ends.every((end) => end.length === 1));
    assert.equal(countReady(), isStopped ? maxReadsPerTurn : ends.length);
    assert.deepEqual(asked, [1]);
  }
});

test("many rounds that become ready at once are answered a part at a time", () => {
  const { clock, read, ends, confirm, apply } = setUp();
  const countReady = (): number => ends.filter(([end]) => end === "ready").length;
  for (let round = 1; round <= 3; round++) {
    for (let n = 0; n < maxReadsPerTurn - 1; n++) read();
    clock.runSoon();
    confirm(round, 5);
  }
  apply(5);
  assert.equal(countReady(), maxReadsPerTurn - 1);
  let between = 0;
  clock.soon(() => (between = countReady()));
  clock.runSoon();
  assert.equal(between, 2 * maxReadsPerTurn - 1);
  assert.equal(countReady(), ends.length);
});

test("a read is ready only when everything up to its index is applied here", () => {
  const { clock, read, ends, confirm, apply } = setUp();
  read();
  clock.runSoon();
  confirm(1, 5);
  apply(4);
  assert.deepEqual(ends, [[]]);
  apply(5);
  assert.deepEqual(ends, [["ready"]]);
});

test("a lost request for a read index is repeated, and either answer is accepted", () => {
  for (const answer of [1, 2]) {
    const { clock, asked, read, ends, confirm } = setUp();
    read();
    clock.advance(600);
    assert.deepEqual(asked, [1, 2]);
    confirm(answer);
    confirm(3 - answer);
    assert.deepEqual(ends, [["ready"]]);
  }
});

test("an answer to an earlier round does not confirm reads that arrived after its request", () => {
  const { clock, asked, read, ends, confirm } = setUp();
  read();
  clock.advance(600); // requests 1 and 2
  read();
  confirm(1);
  assert.deepEqual(asked, [1, 2, 3]);
  confirm(2); // confirms a moment before the second read
  clock.runSoon();
  assert.deepEqual(ends, [["ready"], []]);
  confirm(3);
  clock.runSoon();
  assert.deepEqual(ends, [["ready"], ["ready"]]);
});

test("a new leader is asked for a read index at once; the loss of a leader causes no request", () => {
  const { clock, reads, asked, read } = setUp();
  reads.onLeaderChange(true);
  read();
  clock.runSoon();
  reads.onLeaderChange(false);
  assert.deepEqual(asked, [1]);
  reads.onLeaderChange(true);
  assert.deepEqual(asked, [1, 2]);
});

test("a refused request for a read index is repeated after a delay", () => {
  const { clock, reads, asked, read } = setUp();
  read();
  clock.runSoon();
  clock.advance(400);
  reads.onRefusal(1);
  clock.advance(450);
  assert.deepEqual(asked, [1]);
  clock.advance(100);
  assert.deepEqual(asked, [1, 2]);
});

test("a read that no quorum confirms, or that is not applied here, ends at its deadline", () => {
  const { clock, read, ends, confirm, apply } = setUp();
  read();
  clock.runSoon();
  confirm(1, 5); // confirmed, never applied
  clock.advance(1_000);
  read(); // never confirmed
  clock.advance(timeoutMs - 1_001);
  assert.deepEqual(ends, [[], []]);
  clock.advance(100);
  assert.deepEqual(ends, [["timed-out"], []]);
  clock.advance(1_000);
  assert.deepEqual(ends, [["timed-out"], ["timed-out"]]);
  apply(5);
  assert.deepEqual(ends, [["timed-out"], ["timed-out"]]);
});

test("the number of waiting reads is bounded, wherever they wait", () => {
  const { clock, read, confirm, apply } = setUp();
  for (let n = 0; n < maxPendingReads; n++) {
    read();
    if (n === 1_000) clock.runSoon();
    if (n === 2_000) confirm(1, 5);
  }
  assert.throws(() => read(), code("too-many-requests"));
  apply(5); // 1001 reads are ready
  clock.runSoon();
  for (let n = 0; n <= 1_000; n++) read();
  assert.throws(() => read(), code("too-many-requests"));
  clock.advance(timeoutMs + 50);
  read();
});

test("the rounds of a member that does not catch up are bounded", () => {
  const { clock, asked, read, confirm, apply, countWaiting } = setUp();
  for (let n = 0; n < 200; n++) {
    read();
    clock.runSoon();
    confirm(asked.length, 5);
  }
  assert.equal(countWaiting(), 64);
  assert.equal(asked.length, 64);
  apply(5);
  assert.equal(asked.length, 65);
});

test("stopping fails all waiting reads, and leaves no timer", () => {
  const { clock, reads, read, ends, confirm, apply } = setUp();
  read();
  clock.runSoon();
  confirm(1, 5);
  read();
  clock.runSoon();
  read();
  reads.stop();
  assert.deepEqual(ends, [["server-stopped"], ["server-stopped"], ["server-stopped"]]);
  assert.throws(() => read(), code("server-stopped"));
  apply(5);
  assert.deepEqual(ends[0], ["server-stopped"]);
  assert.equal(clock.pendingTimers, 0);
});

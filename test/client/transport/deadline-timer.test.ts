// The one timer that a connection has for the deadlines of all its calls.

import assert from "node:assert/strict";
import { test } from "node:test";
import { DeadlineTimer } from "../../../client/transport/deadline-timer.js";
import { type PendingItem, PendingList, unlisted } from "../../../client/transport/pending-list.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";

/** Creates calls of a connection that record the time at which they expire. */
const createCalls = () => {
  const clock = new VirtualClock();
  const deadlines = new Set<number>();
  const expired: (readonly [deadline: number, at: number])[] = [];
  const timer = new DeadlineTimer(clock, {
    expire: (now) => {
      for (const deadline of [...deadlines].filter((each) => each <= now)) {
        deadlines.delete(deadline);
        expired.push([deadline, now]);
        timer.onCallEnd();
      }
      return Math.min(...deadlines);
    },
  });
  const begin = (deadline: number): void => {
    deadlines.add(deadline);
    timer.onCallBegin(deadline);
  };
  const end = (deadline: number): void => {
    deadlines.delete(deadline);
    timer.onCallEnd();
  };
  return { clock, expired, begin, end };
};

test("each call expires at its deadline, whatever the order in which they began", () => {
  const { clock, expired, begin } = createCalls();
  for (const deadline of [300, 100, 200]) begin(deadline);
  for (let ms = 0; ms < 400; ms += 10) clock.advance(10);
  assert.deepEqual(expired, [
    [100, 100],
    [200, 200],
    [300, 300],
  ]);
});

test("calls that end in time share a timer", () => {
  const { clock, expired, begin, end } = createCalls();
  begin(10_000);
  for (let n = 1; n <= 100; n++) {
    begin(10_000 + n);
    end(10_000 + n);
  }
  assert.equal(clock.pendingTimers, 1);
  end(10_000);
  assert.equal(clock.pendingTimers, 0, "no timer is left behind the last call");
  assert.deepEqual(expired, []);
});

test("a call with an earlier deadline expires first, although it began later", () => {
  const { clock, expired, begin, end } = createCalls();
  begin(1_000);
  begin(50);
  clock.advance(50);
  assert.deepEqual(expired, [[50, 50]]);
  end(1_000);
});

const pendingCall = (): PendingItem => ({
  ...unlisted,
  cancel: () => undefined,
  retire: () => undefined,
  check: () => undefined,
});

test("pending calls are listed in the order in which they began", () => {
  const list = new PendingList();
  const [a, b, c, d] = [pendingCall(), pendingCall(), pendingCall(), pendingCall()];
  for (const item of [a, b, c, d]) list.add(item);
  assert.ok(list.delete(b));
  assert.ok(!list.delete(b), "it was in the list no more");
  const isList = (items: readonly PendingItem[]): boolean => list.all().every((item, n) => item === items[n]);
  assert.ok(list.all().length === 3 && isList([a, c, d]));
  assert.ok(list.delete(d) && list.delete(a));
  list.add(b);
  assert.ok(list.all().length === 2 && isList([c, b]));
  assert.deepEqual([a.before, a.after, d.before, d.after], [undefined, undefined, undefined, undefined]);
});

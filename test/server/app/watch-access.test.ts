// Open watches, whose rights are checked again in slices after each change of users, roles or permissions.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Access } from "../../../server/app/access.js";
import { WatchRechecks } from "../../../server/app/watch-access.js";

/** Returns the rechecks of one session of `count` watches, and the positions checked. */
const rechecksOf = (count: number) => {
  const turns: (() => void)[] = [];
  const looked: number[] = [];
  const state = { isOn: true, change: (): void => undefined };
  const access = {
    get isOn() {
      return state.isOn;
    },
    addChangeListener: (callback: () => void) => void (state.change = callback),
  } as unknown as Access;
  const rechecks = new WatchRechecks(access, { soon: (callback) => void turns.push(callback) });
  const session = {
    *recheck() {
      for (let n = 0; n < count; n++) {
        looked.push(n);
        yield;
      }
    },
  };
  rechecks.add(session);
  const runTurn = (): boolean => {
    const turn = turns.shift();
    turn?.();
    return turn !== undefined;
  };
  return { rechecks, session, looked, state, runTurn };
};

test("a few watches are rechecked before the next entry is applied", () => {
  const { looked, state, runTurn } = rechecksOf(1_000);
  state.change();
  assert.equal(looked.length, 1_000);
  assert.equal(runTurn(), false);
});

test("many watches are rechecked over several turns; changes meanwhile cause another pass", () => {
  const { looked, state, runTurn } = rechecksOf(5_000);
  state.change();
  for (let turn = 0; turn < 2; turn++) {
    state.change();
    runTurn();
  }
  assert.ok(looked.includes(4_999), "the last one was reached, however many changes there were");
  while (runTurn());
  assert.equal(looked.length, 10_000);
});

test("an ended session is not rechecked, and no session is once authentication is off", () => {
  const { rechecks, session, looked, state, runTurn } = rechecksOf(5_000);
  state.change();
  const { length } = looked;
  state.isOn = false;
  while (runTurn());
  assert.equal(looked.length, length);
  state.isOn = true;
  rechecks.remove(session);
  state.change();
  assert.equal(looked.length, length);
});

// One allowance for each turn of the event loop, shared by all work.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sortInSlices } from "../../../store/base/sort-in-slices.js";
import { runAtOnce, type Sliced } from "../../../store/base/slices.js";
import { Turns } from "../../../store/base/turns.js";

/** An event loop whose turns pass when the test says. */
class Loop {
  now = 0;
  private readonly ahead: (() => void)[] = [];
  readonly turns = new Turns(
    {
      setTimeout: () => assert.fail("a timer"),
      now: () => this.now,
      clearTimeout: () => undefined,
      soon: (callback) => void this.ahead.push(callback),
    },
    { entriesPerSlice: 100, diskReadsPerSlice: 10 },
  );

  get isIdle(): boolean {
    return this.ahead.length === 0;
  }

  async pass(): Promise<void> {
    for (const callback of this.ahead.splice(0)) callback();
    await new Promise(setImmediate);
  }
}

test("the budget of a turn counts index entries and reads from disk together, and each turn has a new one", async () => {
  const loop = new Loop();
  const { turns } = loop;
  assert.deepEqual([turns.spend(50), turns.spend(0, 4), turns.spend(20)], [false, false, true]);
  assert.equal(turns.isOver, true);
  await loop.pass();
  assert.deepEqual([turns.isOver, turns.spend(99)], [false, false]);
});

test("the allowance of a turn ends early when its work takes long, and the next turn has a new one", async () => {
  const loop = new Loop();
  const { turns } = loop;
  const spendAt = (now: number): boolean => {
    loop.now = now;
    return turns.spend(7);
  };
  assert.deepEqual([10, 11, 11.9, 12].map(spendAt), [false, false, false, true]);
  assert.equal(turns.isOver, true);
  await loop.pass();
  assert.deepEqual([turns.isOver, ...[30, 31, 31].map(spendAt)], [false, false, false, false]);
});

test("the budget of a turn reads the clock once for several items", () => {
  const loop = new Loop();
  loop.turns.spend(0.5);
  loop.now = 100;
  assert.deepEqual(
    Array.from({ length: 3 }, () => loop.turns.spend(0.5)),
    [false, false, true],
  );
});

/** Visits `count` entries, and records each one. */
function* visitAll(turns: Turns, name: string, count: number, visited: string[]): Sliced<string> {
  for (let n = 0; n < count; n++) {
    visited.push(name);
    if (turns.spend(1)) yield;
  }
  return name;
}

test("concurrent works share the budget of a turn", async () => {
  const loop = new Loop();
  const visited: string[] = [];
  const works = ["a", "b", "c"].map((name) => loop.turns.run(visitAll(loop.turns, name, 250, visited)));
  let turns = 0;
  for (; !loop.isIdle; turns++) {
    const before = visited.length;
    await loop.pass();
    assert.ok(visited.length - before <= 100, `${visited.length - before} entries in one turn`);
  }
  assert.deepEqual(await Promise.all(works), ["a", "b", "c"]);
  assert.equal(visited.length, 750);
  assert.ok(turns >= 8);
  assert.ok(visited.indexOf("c") < visited.lastIndexOf("a"), "they take turns");
});

test("small works run together in one turn", async () => {
  const loop = new Loop();
  const visited: string[] = [];
  const works = Array.from({ length: 9 }, (_, n) => loop.turns.run(visitAll(loop.turns, `${n}`, 10, visited)));
  await loop.pass();
  assert.equal(visited.length, 90);
  await Promise.all(works);
});

test("work that pauses by itself continues in the next turn, with the full budget", async () => {
  const loop = new Loop();
  loop.turns.spend(100);
  const paused = loop.turns.pause().then(() => loop.turns.isOver);
  await loop.pass();
  assert.equal(await paused, false);
});

test("work whose check fails ends with that error, and does nothing more", async () => {
  const loop = new Loop();
  const visited: string[] = [];
  let isClosed = false;
  const work = loop.turns.run(visitAll(loop.turns, "a", 250, visited), () => {
    if (isClosed) throw new Error("closed");
  });
  await loop.pass();
  isClosed = true;
  const failed = assert.rejects(work, /closed/);
  await loop.pass();
  await failed;
  assert.equal(visited.length, 100);
});

test("a sort in slices gives what a stable sort gives, whatever the number of items, and yields after each 500", () => {
  const byRank = (a: { readonly rank: number }, b: { readonly rank: number }): number => a.rank - b.rank;
  for (const count of [0, 1, 2, 499, 500, 501, 999, 1_000, 1_001, 3_777]) {
    const items = Array.from({ length: count }, (_, place) => ({ rank: (place * 7_919) % 101, place }));
    let most = 0;
    const shouldYield = (looked: number): boolean => {
      most = Math.max(most, looked);
      return true;
    };
    assert.deepEqual(runAtOnce(sortInSlices(items, byRank, shouldYield)), [...items].sort(byRank), `${count} items`);
    assert.ok(most <= 500);
  }
});

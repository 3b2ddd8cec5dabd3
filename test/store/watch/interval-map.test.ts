// The interval tree, compared with a plain list.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "../../support/fast-check.js";
import { IntervalMap } from "../../../store/watch/interval-map.js";
import type { Interval } from "../../../store/base/interval.js";

const key = fc.string({ unit: fc.constantFrom("a", "b", "\0", "\xff"), maxLength: 3 });
const interval: fc.Arbitrary<Interval> = fc.record({ from: key, to: fc.option(key, { nil: undefined }) });
const step = fc.record({ interval, value: fc.nat({ max: 3 }), remove: fc.boolean() });

const contains = ({ from, to }: Interval, at: string): boolean => from <= at && (to === undefined || at < to);

test("the map finds the same intervals as a list, after any additions and removals", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: "max" }), fc.array(key), (steps, keys) => {
      const tree = new IntervalMap<string>();
      const list = new Map<string, { readonly interval: Interval; readonly value: string }>();
      for (const { interval, value, remove } of steps) {
        const name = JSON.stringify([interval.from, interval.to, value]);
        if (remove) {
          tree.delete(interval, name);
          list.delete(name);
        } else {
          tree.add(interval, name);
          list.set(name, { interval, value: name });
        }
      }
      for (const at of keys) {
        const found: string[] = [];
        tree.find(at, found);
        const expected = [...list.values()].filter(({ interval }) => contains(interval, at)).map(({ value }) => value);
        assert.deepEqual(found.sort(), expected.sort());
      }
    }),
    { numRuns: 300, seed: Number(process.env["SEED"] ?? 1) },
  );
});

test("stays shallow when intervals come in order, as keys often do", () => {
  const tree = new IntervalMap<number>();
  const interval = (n: number): Interval => {
    const from = String(n).padStart(6, "0");
    return { from, to: from + "\xff" };
  };
  const count = 50_000; // with this depth, recursion would exhaust the stack
  for (let n = 0; n < count; n++) tree.add(interval(n), n);
  for (let n = 0; n < count; n += 2) tree.delete(interval(n), n);
  const found: number[] = [];
  tree.find("040001x", found);
  tree.find("040002x", found);
  assert.deepEqual(found, [40_001]);
});

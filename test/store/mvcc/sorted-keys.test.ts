import assert from "node:assert/strict";
import { test } from "node:test";
import { SortedKeys } from "../../../store/mvcc/sorted-keys.js";
import fc from "../../support/fast-check.js";

const keyOf = (n: number): string => (n === 0 ? "" : `k${String(n).padStart(4, "0")}`);
const step = fc.record({
  kind: fc.constantFrom("add", "add", "delete"),
  first: fc.nat(1_500),
  count: fc.integer({ min: 1, max: 700 }),
});

test("sorted keys hold what a set holds, ascending, through splits and merges", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 10 }), fc.integer({ min: 1, max: 1_400 }), (steps, stride) => {
      const keys = new SortedKeys();
      const model = new Set<string>();
      for (const { kind, first, count } of steps)
        for (let n = 0; n < count; n++) {
          const key = keyOf((first + n * stride) % 1_501);
          if (kind === "add") {
            keys.add(key);
            model.add(key);
          } else {
            keys.delete(key);
            model.delete(key);
          }
        }
      const sorted = [...model].sort();
      assert.deepEqual(keys.list(), sorted);
      assert.equal(keys.size, sorted.length);
      for (const from of ["", "k", "k0700", "k0700!", "l"])
        assert.equal(
          keys.findFirstFrom(from),
          sorted.find((key) => key >= from),
        );
    }),
  );
});

test("a copy of sorted keys keeps what it has", () => {
  const keys = new SortedKeys();
  for (const key of ["b", "a", "c"]) keys.add(key);
  const copy = keys.copy();
  keys.delete("a");
  keys.add("d");
  assert.deepEqual([copy.list(), copy.size], [["a", "b", "c"], 3]);
  assert.deepEqual(keys.list(), ["b", "c", "d"]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "../../support/fast-check.js";
import { NumberTable } from "../../../server/base/number-table.js";

test("a table of numbers holds the same entries as a Map after any additions and removals", () => {
  const key = fc.oneof(fc.nat(40), fc.nat(40), fc.integer({ min: 2 ** 32, max: 2 ** 32 + 40 }));
  const step = fc.record({ kind: fc.constantFrom("set", "set", "delete"), key });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const table = new NumberTable<{ readonly key: number }>();
      const model = new Map<number, { readonly key: number }>();
      for (const { kind, key } of steps) {
        const value = { key };
        if (kind === "set") {
          table.set(key, value);
          model.set(key, value);
        } else {
          table.delete(key);
          model.delete(key);
        }
        assert.equal(table.size, model.size);
        for (const each of steps) assert.equal(table.get(each.key), model.get(each.key));
      }
      assert.deepEqual(new Set(table.values()), new Set(model.values()));
    }),
    { numRuns: 200 },
  );
});

test("consecutive numbers that are added and removed beside one that stays keep their slots", () => {
  const table = new NumberTable<{ readonly key: number }>();
  const stays = { key: 1 };
  table.set(1, stays);
  for (let key = 3; key < 20_000; key += 2) {
    table.set(key, { key });
    if (key >= 15) table.delete(key - 12);
    assert.equal(table.get(key)?.key, key);
    assert.equal(table.get(1), stays);
    assert.ok(!table.has(key - 12) || key < 15);
    assert.ok(table.size <= 8);
  }
});

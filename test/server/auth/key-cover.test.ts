import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "../../support/fast-check.js";
import { KeyCover } from "../../../server/auth/key-cover.js";
import { endOfKeys } from "../../../server/auth/key-range.js";

const point = fc.constantFrom("a", "a\0", "b", "c", "d", "e", endOfKeys);
const interval = fc.tuple(point, point).map(([a, b]) => (a < b ? { from: a, to: b } : { from: b, to: a }));

test("an interval is covered if each of its keys is", () => {
  const keys = ["a", "a\0", "aa", "b", "b0", "c", "c1", "d", "d\xff", "e", "ee", "\xff\xff"];
  fc.assert(
    fc.property(fc.array(interval, { maxLength: 6 }), interval, (given, { from, to }) => {
      fc.pre(from < to);
      const asked = keys.filter((key) => from <= key && key < to);
      const isCovered = asked.every((key) => given.some((one) => one.from <= key && key < one.to));
      const edges = [from, ...given.map((one) => one.to)].filter((key) => from <= key && key < to);
      const areEdgesCovered = edges.every((key) => given.some((one) => one.from <= key && key < one.to));
      assert.equal(new KeyCover(given).isCovered(from, to), isCovered && areEdgesCovered);
    }),
  );
});

test("adjoining intervals are merged; a gap of one key is not covered", () => {
  const adjoining = new KeyCover([
    { from: "c", to: "e" },
    { from: "a", to: "c" },
  ]);
  assert.ok(adjoining.isCovered("a", "e"));
  assert.ok(!adjoining.isCovered("a", "e\0"));
  assert.ok(!adjoining.isCovered("a", endOfKeys));
  const apart = new KeyCover([
    { from: "a", to: "c" },
    { from: "c\0", to: endOfKeys },
  ]);
  assert.ok(!apart.isCovered("a", "d"));
  assert.ok(apart.isCovered("c\0", endOfKeys));
});

test("an interval without keys needs its key to be covered, as in etcd", () => {
  const cover = new KeyCover([{ from: "a", to: "c" }]);
  for (const [from, to] of [
    ["a", "a"],
    ["b", "b"],
    ["b", "a"],
    ["b", ""],
  ] as const)
    assert.ok(cover.isCovered(from, to));
  for (const [from, to] of [
    ["c", "c"],
    ["c", "b"],
    ["d", "d"],
    ["", ""],
  ] as const)
    assert.ok(!cover.isCovered(from, to));
});

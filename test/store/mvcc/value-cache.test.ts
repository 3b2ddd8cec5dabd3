import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "../../support/fast-check.js";
import { KeyEntry } from "../../../store/mvcc/key-index.js";
import { tombstoneOf } from "../../../store/mvcc/key-value.js";
import type { Revision } from "../../../store/base/revision.js";
import { ValueCache } from "../../../store/mvcc/value-cache.js";

const entryOf = (key: string): KeyEntry => new KeyEntry(key, tombstoneOf(1 as Revision));
const entriesOf = (count: number): KeyEntry[] => Array.from({ length: count }, (_, n) => entryOf(String(n)));

/** Holds a value that contains its key and version, as a put writes it. */
const hold = (cache: ValueCache, entry: KeyEntry, version = 0, length = 700): void => {
  const { memory, taken } = cache.reserveBytes(length);
  memory.fill(Buffer.from(`${entry.key} ${version} `), taken, taken + length);
  cache.hold(entry, length);
};

const assertHeld = (entry: KeyEntry, version = 0): void => {
  const { value } = entry;
  assert.ok(value !== undefined, entry.key);
  const expected = Buffer.alloc(value.length, `${entry.key} ${version} `);
  assert.ok(expected.equals(value), entry.key);
};

const heldValues = (entries: readonly KeyEntry[]): readonly KeyEntry[] =>
  entries.filter(({ value }) => value !== undefined);

test("the cache stays within its bound, and first evicts values that were not read", () => {
  const cache = new ValueCache(1_000_000);
  const entries = entriesOf(3_000);
  for (const entry of entries.slice(0, 500)) hold(cache, entry);
  const asked = [entries[0], entries[250]] as [KeyEntry, KeyEntry];
  for (const entry of asked) entry.wasRead = true; // a read does the same
  for (const entry of entries.slice(500, 1_500)) hold(cache, entry);
  assert.ok(cache.bytes <= 1_000_000);
  for (const entry of asked) {
    assertHeld(entry);
    assert.equal(entry.wasRead, false);
  }
  assert.deepEqual(heldValues(entries.slice(0, 250)), [entries[0]]);
  for (const entry of entries.slice(1_500)) hold(cache, entry);
  assert.deepEqual(heldValues(entries.slice(0, 500)), []);
  for (const entry of heldValues(entries)) assertHeld(entry);
  assert.ok(heldValues(entries).length > 1_000);
});

test("an eviction does not visit all values, even if all were read", () => {
  const cache = new ValueCache(1_000_000);
  const entries = entriesOf(1_100);
  for (const entry of entries) hold(cache, entry);
  const before = heldValues(entries);
  for (const entry of before) entry.wasRead = true;
  for (let n = 0; heldValues(before).length === before.length; n++) hold(cache, entryOf(`another ${n}`));
  assert.ok(before.length - heldValues(before).length < 100);
  assert.ok(before.filter(({ wasRead }) => wasRead).length > 800);
});

test("a dropped value makes room, and an overwritten one counts once", () => {
  const cache = new ValueCache(1_000_000);
  const entries = entriesOf(1_000);
  for (let round = 0; round < 10; round++) for (const entry of entries) hold(cache, entry, round);
  assert.ok(heldValues(entries).length === entries.length || cache.bytes > 800_000);
  for (const entry of heldValues(entries)) assertHeld(entry, 9);
  for (const entry of entries) cache.drop(entry);
  assert.ok(cache.bytes <= 62_500, `${cache.bytes} are left`); // the chunk that is being filled
});

test("a value larger than the cache is not kept, and evicts other values only briefly", () => {
  const cache = new ValueCache(100_000);
  const [large, small] = [entryOf("large"), entryOf("small")];
  hold(cache, large, 0, 200_000);
  assert.equal(large.value, undefined);
  assert.equal(cache.bytes, 0);
  hold(cache, small);
  assertHeld(small);
});

test("large values have memory of their own, and a second chance without a copy", () => {
  const cache = new ValueCache(1_000_000);
  const entries = entriesOf(10);
  for (const entry of entries.slice(0, 4)) hold(cache, entry, 0, 200_000);
  const [first] = entries as [KeyEntry];
  const { chunk } = first;
  first.wasRead = true;
  for (const entry of entries.slice(4, 7)) hold(cache, entry, 0, 200_000);
  assert.equal(first.chunk, chunk);
  assert.equal(heldValues(entries).length, 4);
  for (const entry of heldValues(entries)) assertHeld(entry);
});

test("a few remaining values do not keep the memory of their whole chunks", () => {
  const cache = new ValueCache(100_000_000);
  const kept: KeyEntry[] = [];
  const often = entryOf("often");
  for (let n = 0; n < 50_000; n++) {
    hold(cache, often, n);
    if (n % 500 !== 0) continue;
    const entry = entryOf(`kept ${n}`);
    hold(cache, entry);
    kept.push(entry);
  }
  for (const entry of kept) assertHeld(entry);
  assertHeld(often, 49_999);
  assert.ok(cache.bytes < 1_500_000, `${cache.bytes} for ${kept.length} values`);
});

test("after any operations an entry has its newest value or none, and the cache stays within its bound", () => {
  const step = fc.record({
    kind: fc.constantFrom("hold", "hold", "hold", "copy", "drop", "ask"),
    key: fc.nat(60),
    length: fc.constantFrom(20, 20, 300, 300, 3_000, 20_000),
  });
  fc.assert(
    fc.property(fc.constantFrom(0, 1_000, 30_000), fc.array(step, { maxLength: 300 }), (maxBytes, steps) => {
      const cache = new ValueCache(maxBytes);
      const entries = entriesOf(61);
      const versions = new Map<KeyEntry, number>();
      for (const [version, { kind, key, length }] of steps.entries()) {
        const entry = entries[key]!;
        if (kind === "ask") entry.wasRead = true;
        else if (kind === "drop") cache.drop(entry);
        else if (kind === "copy") cache.holdCopy(entry, Buffer.alloc(length, `${entry.key} ${version} `));
        else hold(cache, entry, version, length);
        if (kind === "drop") assert.equal(entry.value, undefined);
        if (kind === "hold" || kind === "copy") versions.set(entry, version);
        assert.ok(cache.bytes <= maxBytes);
        for (const each of heldValues(entries)) assertHeld(each, versions.get(each));
      }
      for (const entry of entries) cache.drop(entry);
      assert.ok(cache.bytes <= maxBytes / 16);
    }),
  );
});

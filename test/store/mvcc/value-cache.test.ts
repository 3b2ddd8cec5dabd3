import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyEntry } from "../../../store/mvcc/key-index.js";
import { deletedState } from "../../../store/mvcc/key-value.js";
import type { Revision } from "../../../store/base/revision.js";
import { ValueCache } from "../../../store/mvcc/value-cache.js";

const entryOf = (key: string): KeyEntry => new KeyEntry(key, deletedState(1 as Revision, 0));
const value = new Uint8Array(700); // with what the cache adds for its own cost: 1 000 bytes

test("the cache keeps to its bound, and gives up first what nobody asked for", () => {
  const cache = new ValueCache(3_000);
  const entries = ["a", "b", "c", "d", "e"].map(entryOf);
  const [a, b] = entries as [KeyEntry, KeyEntry];
  for (const entry of entries.slice(0, 3)) cache.hold(entry, value);
  a.used = true; // as a read does
  for (const entry of entries.slice(3)) cache.hold(entry, value);
  assert.equal(cache.bytes, 3_000);
  assert.deepEqual(
    entries
      .filter((entry) => entry.value !== undefined)
      .map(({ key }) => key)
      .join(""),
    "ade",
  );
  cache.hold(b, value);
  assert.equal(cache.bytes, 3_000);
});

test("room for one value is found without going through all of them, though all were asked for", () => {
  const entries = Array.from({ length: 1_000 }, (_, n) => entryOf(String(n)));
  const cache = new ValueCache(1_000_000);
  for (const entry of entries) cache.hold(entry, value);
  for (const entry of entries) entry.used = true;
  cache.hold(entryOf("another"), value);
  assert.equal(entries.filter((entry) => entry.value === undefined).length, 1);
  assert.ok(entries.filter(({ used }) => used).length > 800);
});

test("a dropped value makes room, and an overwritten one counts once", () => {
  const cache = new ValueCache(3_000);
  const entries = ["a", "b", "c"].map(entryOf);
  for (let round = 0; round < 10; round++) for (const entry of entries) cache.hold(entry, value);
  assert.equal(cache.bytes, 3_000);
  for (const entry of entries) assert.equal(entry.value, value);
  for (const entry of entries) cache.drop(entry);
  assert.equal(cache.bytes, 0);
});

test("a value larger than the cache is not kept", () => {
  const cache = new ValueCache(100);
  const entry = entryOf("a");
  cache.hold(entry, value);
  assert.equal(entry.value, undefined);
  assert.equal(cache.bytes, 0);
});

test("keys that come and go leave nothing behind", () => {
  const cache = new ValueCache(1_000_000);
  const kept = entryOf("kept");
  cache.hold(kept, value);
  for (let i = 0; i < 10_000; i++) {
    const entry = entryOf(String(i));
    cache.hold(entry, value);
    cache.drop(entry);
  }
  assert.ok(cache.queued < 2_000, `${cache.queued} wait`);
  assert.equal(kept.value, value);
});

test("keys that went away all at once leave the queue some at a time", () => {
  const cache = new ValueCache(100_000_000);
  const kept = entryOf("kept");
  cache.hold(kept, value);
  const gone = Array.from({ length: 20_000 }, (_, n) => entryOf(String(n)));
  for (const entry of gone) cache.hold(entry, value);
  for (const entry of gone) cache.drop(entry);
  for (let before = cache.queued; before > 2_000; before = cache.queued) {
    cache.hold(kept, value);
    assert.ok(before - cache.queued <= 100, `${before - cache.queued} at once`);
    assert.ok(cache.queued < before);
  }
  assert.equal(kept.value, value);
  assert.ok(kept.queued);
});

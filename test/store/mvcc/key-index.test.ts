import assert from "node:assert/strict";
import { test } from "node:test";
import type { BlockChange } from "../../../store/disk/change-block.js";
import { KeyIndex } from "../../../store/mvcc/key-index.js";
import { tombstoneOf } from "../../../store/mvcc/key-value.js";
import { noLease } from "../../../store/base/lease-id.js";
import type { Revision } from "../../../store/base/revision.js";

// The example in KeyIndex's comment.
const changes = ["2_0", "4_1", "5_0t", "7_0"];

const indexOf = (...positions: readonly string[]): KeyIndex => {
  const index = new KeyIndex();
  for (const position of positions) {
    const [mod, sub] = position.split("_").map((part) => parseInt(part, 10)) as [number, number];
    const isDelete = position.endsWith("t");
    const version = isDelete ? 0 : 1; // a tombstone has version 0
    const state = { mod: mod as Revision, sub, create: mod as Revision, version, lease: noLease };
    index.advance("key", index.get("key"), state, sub);
  }
  return index;
};

const compact = (index: KeyIndex, revision: number): string[] => {
  const removed: BlockChange[] = [];
  index.compactFrom("", { revision, maxEntries: 100, maxRemovals: 100 }, removed);
  return removed.map(({ main, sub, tombstone }) => `${main}_${sub}${tombstone ? "t" : ""}`);
};

test("a read finds the last put of a key up to its revision, and none after a delete", () => {
  const entry = indexOf(...changes).get("key")!;
  assert.deepEqual(entry.history, [2, 0, 4, 1, 5, ~0]);
  const found = [1, 2, 3, 4, 5, 6, 7, 8].map((at) => {
    const put = entry.putAt(at);
    return put === undefined ? "none" : `${put.mod}_${put.sub}`;
  });
  assert.deepEqual(found, ["none", "2_0", "2_0", "4_1", "none", "none", "7_0", "7_0"]);
});

test("a compaction removes the changes that no read or watch from its revision on can need", () => {
  const index = indexOf(...changes);
  assert.deepEqual(
    [2, 3, 4, 5, 6, 7].map((revision) => compact(index, revision)),
    [[], [], ["2_0"], ["4_1"], ["5_0t"], []],
  );
  assert.equal(index.get("key")?.history, undefined);
});

test("a compaction after the delete of a key removes the key", () => {
  const index = indexOf(...changes.slice(0, 3));
  assert.deepEqual(compact(index, 5), ["2_0", "4_1"]);
  assert.deepEqual(compact(index, 6), ["5_0t"]);
  assert.equal(index.size, 0);
});

const put = (mod: number, version = 1) => ({
  mod: mod as Revision,
  sub: 0,
  create: mod as Revision,
  version,
  lease: noLease,
});
const bytesOf = (key: string): Uint8Array => new Uint8Array(Buffer.from(key, "latin1"));

test("an entry is found by the bytes of its key, whichever keys were asked for before", () => {
  const index = new KeyIndex();
  const keys = Array.from({ length: 5_000 }, (_, n) => (n % 100 === 0 ? `${n}`.padEnd(80, "ÿ") : `key ${n} ÿ`));
  for (const key of keys) index.advance(key, index.get(key), put(2), 0);
  for (let round = 0; round < 2; round++)
    for (const key of keys) assert.equal(index.find(bytesOf(key)), index.get(key), key);
  assert.equal(index.find(bytesOf("another")), undefined);
});

test("a removed key is not found by its bytes, and a new one of the same name is", () => {
  const index = new KeyIndex();
  index.advance("key", undefined, put(2), 0);
  assert.equal(index.find(bytesOf("key"))?.newest.mod, 2);
  index.advance("key", index.get("key"), put(3, 0), 0);
  assert.deepEqual(compact(index, 4), ["2_0", "3_0t"]);
  assert.equal(index.find(bytesOf("key")), undefined);
  index.advance("key", undefined, put(5), 0);
  assert.equal(index.find(bytesOf("key"))?.newest.mod, 5);
});

test("an index and its copy find their own entries by bytes, changed or not", () => {
  const index = new KeyIndex();
  for (const key of ["a", "b"]) index.remember(index.advance(key, undefined, put(2), 0));
  const copy = index.copy();
  for (const each of [index, copy]) assert.equal(each.find(bytesOf("b"))?.newest.mod, 2);
  index.advance("a", index.find(bytesOf("a")), put(3), 0);
  index.advance("b", index.find(bytesOf("b")), put(4), 0);
  const found = [index, copy].map((each) => ["a", "b"].map((key) => each.find(bytesOf(key))?.newest.mod));
  assert.deepEqual(found, [
    [3, 4],
    [2, 2],
  ]);
});

test("the newest change of a key is taken back, puts and deletes in any order", () => {
  const all = ["2_0", "3_4t", "4_0", "4_1", "5_2t"];
  for (let count = all.length; count > 1; count--) {
    const taken = indexOf(...all.slice(0, count));
    const expected = indexOf(...all.slice(0, count - 1)).get("key")!;
    taken.takeBack(taken.get("key")!, expected.newest);
    assert.deepEqual(taken.get("key"), expected);
    assert.equal(taken.liveSize, expected.isLive ? 1 : 0);
  }
});

test("deletes of one revision share a state, and a compaction removes each at its own place", () => {
  const index = new KeyIndex();
  const deleted = tombstoneOf(3 as Revision);
  for (const [sub, key] of ["a", "b", "c"].entries()) {
    const put = { mod: 2 as Revision, sub, create: 2 as Revision, version: 1, lease: noLease };
    index.advance(key, index.get(key), put, sub);
  }
  for (const [sub, key] of ["c", "b", "a"].entries()) index.advance(key, index.get(key), deleted, sub);
  assert.deepEqual(compact(index, 4), ["2_0", "3_2t", "2_1", "3_1t", "2_2", "3_0t"]);
  assert.equal(index.size, 0);
});

test("the delete of a key of which nothing else is known is removed by a compaction behind it", () => {
  const index = indexOf("5_1t");
  assert.deepEqual(compact(index, 5), []);
  assert.equal(index.size, 1);
  assert.deepEqual(compact(index, 6), ["5_1t"]);
  assert.equal(index.size, 0);
});

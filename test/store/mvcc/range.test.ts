import assert from "node:assert/strict";
import { test } from "node:test";
import { RangeRequest, type RawRangeResponse } from "../../../proto/index.js";
import { AnswerSize } from "../../../store/base/answer-size.js";
import { noLease } from "../../../store/base/lease-id.js";
import { defaultLimits } from "../../../store/base/limits.js";
import type { Revision } from "../../../store/base/revision.js";
import { runAtOnce } from "../../../store/base/slices.js";
import { tombstoneOf, type KeyState } from "../../../store/mvcc/key-value.js";
import { KeyIndex } from "../../../store/mvcc/key-index.js";
import { readRange } from "../../../store/mvcc/range.js";
import type { StoreData } from "../../../store/mvcc/store-data.js";
import type { Values } from "../../../store/mvcc/values.js";

const liveState = (mod: number): KeyState => ({
  ...{ mod: mod as Revision, sub: 0, create: mod as Revision, version: 1, lease: noLease },
});

/** Returns an index of `count` keys, each put at revision 1; a value is the name of its key. */
const indexOf = (count: number): KeyIndex => {
  const index = new KeyIndex();
  for (let n = 0; n < count; n++) index.advance(keyOf(n), undefined, liveState(1), 0);
  return index;
};
const keyOf = (n: number): string => String(n).padStart(5, "0");

/**
 * Reads all keys from "0" on.
 * @returns the answer, and the number of index entries visited
 */
const read = (index: KeyIndex, at: number, request: Partial<RangeRequest>): [RawRangeResponse, number] => {
  const values = { diskReads: 0, readNewest: ({ key }) => Buffer.from(key), readAt: () => Buffer.from("old") } as Pick<
    Values,
    "diskReads" | "readNewest" | "readAt"
  >;
  const data = { index, values, limits: defaultLimits } as unknown as StoreData;
  let work = 0;
  const shouldYield = (entries: number): boolean => {
    work += entries;
    return false;
  };
  const all = RangeRequest.create({ key: Buffer.from("0"), rangeEnd: Buffer.from("9"), ...request });
  return [runAtOnce(readRange(data, all, { at, size: new AnswerSize(1_000_000), shouldYield })), work];
};

test("a limited read visits only its keys, and returns the count of all", () => {
  const [{ kvs, more, count }, work] = read(indexOf(10_000), 1, { limit: 100n });
  assert.deepEqual([kvs.length, more, count], [100, true, 10_000n]);
  assert.ok(work < 100, `${work} entries`);
});

test("a count visits no keys", () => {
  const [{ kvs, more, count }, work] = read(indexOf(10_000), 1, { countOnly: true, limit: 5n });
  assert.deepEqual([kvs, more, count, work], [[], false, 10_000n, 0]);
});

test("a count excludes deleted keys, and includes keys that were put again or whose deletion was reverted", () => {
  const index = indexOf(1_000);
  for (const n of [5, 6, 7]) index.advance(keyOf(n), index.get(keyOf(n)), tombstoneOf(2 as Revision), 0);
  assert.equal(read(index, 2, { countOnly: true })[0].count, 997n);
  index.takeBack(index.get(keyOf(5))!, liveState(1));
  index.advance(keyOf(6), index.get(keyOf(6)), liveState(3), 0);
  index.takeBack(index.advance("00000a", undefined, liveState(3), 0), undefined);
  assert.equal(read(index, 3, { countOnly: true })[0].count, 999n);
});

test("a read at a past revision counts the keys of that revision", () => {
  const index = indexOf(1_000);
  index.advance(keyOf(5), index.get(keyOf(5)), tombstoneOf(2 as Revision), 0);
  index.advance("00000a", undefined, liveState(3), 0);
  const counts = [1, 2, 3].map((at) => read(index, at, { limit: 10n })[0].count);
  assert.deepEqual(counts, [1_000n, 999n, 1_000n]);
  assert.equal(read(index, 1, { limit: 1_000n })[0].more, false);
});

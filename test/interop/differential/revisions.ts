// Revisions relative to the stores' present revisions, so that a sequence does not depend on where it starts.
import fc from "fast-check";
import { choose, mostly } from "./chance.js";

/** The stores' revisions when a request is sent. */
export interface Revisions {
  readonly now: bigint;
  readonly compacted: bigint;
}

/** A request, or part of one, whose revisions are known only when it is sent. */
export type Late<T> = (at: Revisions) => T;

export const lateOf =
  <T>(value: T): Late<T> =>
  () =>
    value;

/** The limits of 64-bit integers. */
export const lowest = -(2n ** 63n);
export const highest = 2n ** 63n - 1n;

export const exactly = (revision: bigint): fc.Arbitrary<Late<bigint>> => fc.constant(() => revision);
/** Revisions that can be read: not before the compaction. */
export const recent = fc.bigInt(0n, 6n).map<Late<bigint>>(
  (back) =>
    ({ now, compacted }) =>
      now - back < compacted ? compacted : now - back,
);
/** Revisions for a compaction, mostly possible ones. */
export const compactable = fc.bigInt(0n, 6n).map<Late<bigint>>(
  (back) =>
    ({ now, compacted }) =>
      now - back <= compacted ? compacted + 1n : now - back,
);
export const future = fc.constantFrom(1n, 2n, 1_000_000n).map<Late<bigint>>(
  (ahead) =>
    ({ now }) =>
      now + ahead,
);
export const aroundCompaction = fc.constantFrom(0n, 1n, -1n, -2n).map<Late<bigint>>(
  (off) =>
    ({ compacted }) =>
      compacted + off,
);
export const odd = fc.constantFrom(-1n, -5n, 1n, lowest, highest).map<Late<bigint>>((revision) => () => revision);

export const readRevision = (oddness: number): fc.Arbitrary<Late<bigint>> =>
  choose([120, exactly(0n)], [80, recent], [oddness, aroundCompaction], [oddness, future], [oddness, odd]);
/** A bound on revisions; any number is valid. */
export const bound = mostly(() => 0n, 14, choose([6, recent], [1, future], [1, aroundCompaction], [1, odd]));

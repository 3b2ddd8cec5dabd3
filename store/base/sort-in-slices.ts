import type { Sliced, ShouldYield } from "./slices.js";

/** The items that are sorted or merged between two calls of `shouldYield`. */
const runLength = 500;

/**
 * Sorts in slices, and stably: first runs of a fixed length, then neighbouring runs are merged until one is left. Example, runs of two:
 *
 *   d b c a e      the items
 *   b d  a c  e    each run sorted
 *   a b c d  e     merged once
 *   a b c d e      merged twice
 *
 * @param items not changed
 * @param shouldYield called with the number of items visited since its last call; true: yield to other work
 */
export function* sortInSlices<T>(
  items: readonly T[],
  compare: (a: T, b: T) => number,
  shouldYield: ShouldYield,
): Sliced<T[]> {
  let from: T[] = [];
  for (let start = 0; start < items.length; start += runLength) {
    const run = items.slice(start, start + runLength).sort(compare);
    from.push(...run);
    if (shouldYield(run.length)) yield;
  }
  for (let length = runLength; length < from.length; length *= 2) {
    const to: T[] = [];
    for (let start = 0; start < from.length; start += 2 * length) {
      const middle = Math.min(start + length, from.length);
      const end = Math.min(start + 2 * length, from.length);
      yield* merge({ from, to, compare, shouldYield }, { one: start, middle, other: middle, end });
    }
    from = to;
  }
  return from;
}

interface MergeContext<T> {
  readonly from: readonly T[];
  readonly to: T[];
  readonly compare: (a: T, b: T) => number;
  readonly shouldYield: ShouldYield;
}

/** Two neighbouring runs: `[one, middle)` and `[other, end)`. */
interface Neighbours {
  one: number;
  readonly middle: number;
  other: number;
  readonly end: number;
}

/** Appends both runs to `to`, in order. */
function* merge<T>({ from, to, compare, shouldYield }: MergeContext<T>, runs: Neighbours): Sliced<void> {
  const { middle, end } = runs;
  for (let merged = 1; runs.one < middle || runs.other < end; merged++) {
    const takesOne =
      runs.other >= end || (runs.one < middle && compare(from[runs.one] as T, from[runs.other] as T) <= 0);
    to.push(from[takesOne ? runs.one++ : runs.other++] as T);
    if (merged % runLength === 0 && shouldYield(runLength)) yield;
  }
}

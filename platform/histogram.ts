/**
 * Counts measured values in buckets, and adds them up. Example: the values 0.5, 2 and 9 give, with the bounds 1, 2 and 4, the
 * counts 1, 1, 0 and, beyond the last bound, 1.
 */
export class Histogram {
  /** The number of values per bucket: of those up to its bound and above the bound before. The last bucket has the values above all bounds. */
  readonly counts: number[];
  /** The sum of all values. */
  sum = 0;

  /** @param bounds the inclusive upper bounds of the buckets, ascending */
  constructor(readonly bounds: readonly number[]) {
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  /** Counts a value. */
  observe(value: number): void {
    const { bounds, counts } = this;
    let bucket = 0;
    while (bucket < bounds.length && value > Number(bounds[bucket])) bucket++;
    counts[bucket] = Number(counts[bucket]) + 1;
    this.sum += value;
  }
}

/** Returns `count` bounds of buckets: `first`, and each next one `factor` times as large. */
export const exponentialBounds = (first: number, factor: number, count: number): number[] =>
  Array.from({ length: count }, (_, n) => first * factor ** n);

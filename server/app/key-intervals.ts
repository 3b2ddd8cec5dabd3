/** A set of key intervals `[from, to)` over latin1 key strings that answers whether a key is covered. */
export class KeyIntervals {
  private readonly added: { from: string; to: string }[] = [];
  /** Sorted and disjoint; undefined after an addition. */
  private merged: { from: string; to: string }[] | undefined = [];

  add(from: string, to: string): void {
    this.added.push({ from, to });
    this.merged = undefined;
  }

  addAll(other: KeyIntervals): void {
    for (const { from, to } of other.intervals()) this.add(from, to);
  }

  hasKey(key: string): boolean {
    const intervals = this.intervals();
    let low = 0;
    let high = intervals.length; // a binary search for the first interval that starts beyond the key
    while (low < high) {
      const middle = (low + high) >> 1;
      const interval = intervals[middle];
      if (interval !== undefined && interval.from <= key) low = middle + 1;
      else high = middle;
    }
    const before = intervals[low - 1];
    return before !== undefined && key < before.to;
  }

  private intervals(): readonly { from: string; to: string }[] {
    if (this.merged !== undefined) return this.merged;
    this.added.sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
    const merged: { from: string; to: string }[] = [];
    for (const { from, to } of this.added) {
      const last = merged.at(-1);
      if (last !== undefined && from <= last.to) last.to = to > last.to ? to : last.to;
      else merged.push({ from, to });
    }
    this.merged = merged;
    return merged;
  }
}

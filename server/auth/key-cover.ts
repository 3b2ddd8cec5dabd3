interface KeyInterval {
  readonly from: string;
  readonly to: string;
}

/** The union of key intervals `[from, to)`. Keys are text of one character per byte; `endOfKeys` is greater than all keys. */
export class KeyCover {
  /** The union as disjoint intervals, ascending. */
  private readonly merged: readonly KeyInterval[];

  constructor(intervals: readonly KeyInterval[]) {
    this.merged = merge(intervals);
  }

  /** Whether all keys in `[from, to)` are covered. An empty interval is covered if `from` is, as in etcd's interval tree. */
  isCovered(from: string, to: string): boolean {
    if (from >= to) return this.endFrom(from) !== undefined;
    const interval = this.findLastFrom(from);
    return interval !== undefined && to <= interval.to;
  }

  /** Returns the end of the covered keys from `key` on without a gap; undefined: `key` itself is not covered. */
  endFrom(key: string): string | undefined {
    const interval = this.findLastFrom(key);
    return interval !== undefined && key < interval.to ? interval.to : undefined;
  }

  /** Finds the last interval that begins at or before `key`. */
  private findLastFrom(key: string): KeyInterval | undefined {
    const { merged } = this;
    let low = 0;
    let high = merged.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const interval = merged[middle];
      if (interval !== undefined && interval.from <= key) low = middle + 1;
      else high = middle;
    }
    return merged[low - 1];
  }
}

const merge = (intervals: readonly KeyInterval[]): KeyInterval[] => {
  const sorted = [...intervals].sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
  const merged: { from: string; to: string }[] = [];
  for (const { from, to } of sorted) {
    const last = merged.at(-1);
    if (last === undefined || from > last.to) merged.push({ from, to });
    else if (to > last.to) last.to = to;
  }
  return merged;
};

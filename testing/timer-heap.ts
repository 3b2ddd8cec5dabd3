// Timers in the order in which they are due.

/** A callback that is due at a time; it can be canceled until then. */
export interface DueTimer {
  readonly at: number;
  /** Orders timers that are due at the same time by their creation. */
  readonly number: number;
  /** Undefined: canceled. */
  run: (() => void) | undefined;
}

/** Number of timers from which on canceled ones are removed. */
const minPurge = 10_000;

/** A binary heap of timers; the next one is first. */
export class TimerHeap {
  private heap: DueTimer[] = [];
  private count = 0;
  private purgeAt = minPurge;

  /** The next timer, which may be canceled. */
  get first(): DueTimer | undefined {
    return this.heap[0];
  }

  add(at: number, run: () => void): DueTimer {
    if (this.heap.length >= this.purgeAt) this.purge();
    const timer = { at, number: this.count++, run };
    this.push(timer);
    return timer;
  }

  removeFirst(): void {
    const { heap } = this;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let position = 0;
    for (;;) {
      const left = 2 * position + 1;
      const [one, other] = [heap[left], heap[left + 1]];
      if (one === undefined) break;
      const [child, at] = other !== undefined && isBefore(other, one) ? [other, left + 1] : [one, left];
      if (isBefore(last, child)) break;
      heap[position] = child;
      position = at;
    }
    heap[position] = last;
  }

  clear(): void {
    this.heap = [];
  }

  /** Removes canceled timers: otherwise a request's timeout would stay in the heap long after the answer. */
  private purge(): void {
    this.heap = this.heap.filter(({ run }) => run !== undefined).sort((a, b) => (isBefore(a, b) ? -1 : 1));
    this.purgeAt = Math.max(minPurge, 2 * this.heap.length);
  }

  private push(timer: DueTimer): void {
    const { heap } = this;
    let position = heap.push(timer) - 1;
    while (position > 0) {
      const parent = (position - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, timer)) break;
      heap[position] = above;
      position = parent;
    }
    heap[position] = timer;
  }
}

const isBefore = (one: DueTimer, other: DueTimer): boolean =>
  one.at < other.at || (one.at === other.at && one.number < other.number);

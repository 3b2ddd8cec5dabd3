// Virtual time: what is to happen, in the order in which it is due. Nothing here waits for anything real.

/** A callback that is due at a time; it can be called off until then. */
export interface Appointment {
  readonly at: number;
  /** Orders appointments that are due at once: the one made first comes first. */
  readonly number: number;
  run: (() => void) | undefined;
}

/** Lets all promises settle that wait for nothing but each other. */
const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class Scheduler {
  /** Milliseconds since the beginning. */
  now = 0;
  /** Number of callbacks that have run. */
  steps = 0;
  private count = 0;
  /** A binary heap, the next one first. */
  private readonly heap: Appointment[] = [];

  /** Has `run` called after `ms`: at the earliest when what happens now is over. */
  after(ms: number, run: () => void): Appointment {
    const appointment = { at: this.now + Math.max(0, ms), number: this.count++, run };
    this.push(appointment);
    return appointment;
  }

  /** Resolves after `ms`. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  /** Lets time pass until `isOver` says so, which is asked after each step, or until `end`. */
  async runUntil(end: number, isOver: () => boolean = () => false): Promise<void> {
    while (!isOver()) {
      const next = this.heap[0];
      if (next === undefined || next.at > end) break;
      this.pop();
      if (next.run === undefined) continue; // called off
      this.now = next.at;
      this.steps++;
      next.run();
      await drain();
    }
    if (!isOver()) this.now = Math.max(this.now, end);
  }

  private push(appointment: Appointment): void {
    const { heap } = this;
    let position = heap.push(appointment) - 1;
    while (position > 0) {
      const parent = (position - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, appointment)) break;
      heap[position] = above;
      position = parent;
    }
    heap[position] = appointment;
  }

  private pop(): void {
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
}

const isBefore = (one: Appointment, other: Appointment): boolean =>
  one.at < other.at || (one.at === other.at && one.number < other.number);

// Virtual time: runs callbacks in the order in which they are due, without waiting for real time.

import { type DueTimer, TimerHeap } from "./timer-heap.js";
import type { Timeline } from "./timeline.js";

/** Lets all promises settle that only depend on each other. */
const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Virtual time that passes only in `runUntil`. */
export class Scheduler implements Timeline {
  /** Milliseconds since the beginning. */
  now = 0;
  /** Number of callbacks that have run. */
  steps = 0;
  private readonly timers = new TimerHeap();

  /** Whether a callback is due now. */
  get isDue(): boolean {
    return (this.timers.first?.at ?? Infinity) <= this.now;
  }

  /** Calls `run` after `ms`; at the earliest after the current callback. */
  after(ms: number, run: () => void): DueTimer {
    return this.timers.add(this.now + Math.max(0, ms), run);
  }

  /** Resolves after `ms`. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  /** Advances the time until `isOver`, which is called after each step, returns true, or until `end`. */
  async runUntil(end: number, isOver: () => boolean = () => false): Promise<void> {
    while (!isOver() && (await this.step(end)));
    if (!isOver()) this.now = Math.max(this.now, end);
  }

  /** Runs the next callback that is due until `end`, and lets its promises settle. @returns false if there is none */
  async step(end: number): Promise<boolean> {
    for (let next = this.timers.first; next !== undefined && next.at <= end; next = this.timers.first) {
      this.timers.removeFirst();
      if (next.run === undefined) continue; // canceled
      this.now = next.at;
      this.steps++;
      next.run();
      await drain();
      return true;
    }
    return false;
  }
}

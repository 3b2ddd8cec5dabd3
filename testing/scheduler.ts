// Virtual time: what is to happen, in the order in which it is due. Nothing here waits for anything real.

import { type Appointment, Appointments } from "./appointments.js";
import type { Timeline } from "./timeline.js";

/** Lets all promises settle that wait for nothing but each other. */
const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Virtual time that passes only in `runUntil`. */
export class Scheduler implements Timeline {
  /** Milliseconds since the beginning. */
  now = 0;
  /** Number of callbacks that have run. */
  steps = 0;
  private readonly appointments = new Appointments();

  /** Whether something is due now. */
  get isDue(): boolean {
    return (this.appointments.first?.at ?? Infinity) <= this.now;
  }

  /** Has `run` called after `ms`: at the earliest when what happens now is over. */
  after(ms: number, run: () => void): Appointment {
    return this.appointments.add(this.now + Math.max(0, ms), run);
  }

  /** Resolves after `ms`. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  /** Lets time pass until `isOver` says so, which is asked after each step, or until `end`. */
  async runUntil(end: number, isOver: () => boolean = () => false): Promise<void> {
    while (!isOver() && (await this.step(end)));
    if (!isOver()) this.now = Math.max(this.now, end);
  }

  /** Runs the next callback that is due until `end`, and all that settles with it. @returns false: there is none */
  async step(end: number): Promise<boolean> {
    for (let next = this.appointments.first; next !== undefined && next.at <= end; next = this.appointments.first) {
      this.appointments.removeFirst();
      if (next.run === undefined) continue; // called off
      this.now = next.at;
      this.steps++;
      next.run();
      await drain();
      return true;
    }
    return false;
  }
}

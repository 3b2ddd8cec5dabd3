import type { Appointment } from "./appointments.js";

/** Time, as simulated processes and networks see it: virtual, or the machine's. */
export interface Timeline {
  /** Milliseconds since the beginning. */
  readonly now: number;
  /** Has `run` called after `ms`: at the earliest when the current callback is over. */
  after(ms: number, run: () => void): Appointment;
  /** Resolves after `ms`. */
  sleep(ms: number): Promise<void>;
}

import type { DueTimer } from "./timer-heap.js";

/** The time of simulated processes and networks: virtual, or the machine's. */
export interface Timeline {
  /** Milliseconds since the beginning. */
  readonly now: number;
  /** Calls `run` after `ms`; at the earliest after the current callback. */
  after(ms: number, run: () => void): DueTimer;
  /** Resolves after `ms`. */
  sleep(ms: number): Promise<void>;
}

import type { Clock } from "../../platform/index.js";

/** The interval at which each side of a snapshot's channel checks for activity, in milliseconds. */
export const checkIntervalMs = 1_000;

/** Reports inactivity. Checks are counted, not timed: a process that was frozen for a minute has missed one check. */
export class InactivityTimer {
  private missed = 0;
  private readonly cancel: () => void;

  /** @param most the number of checks without a `reset` that are tolerated @param onTooLong called at each further check */
  constructor(clock: Clock, most: number, onTooLong: () => void) {
    this.cancel = clock.every(checkIntervalMs, () => {
      if (++this.missed > most) onTooLong();
    });
  }

  /** Restarts the count after activity. */
  reset(): void {
    this.missed = 0;
  }

  /** Stops the checks. */
  stop(): void {
    this.cancel();
  }
}

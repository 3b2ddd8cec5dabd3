import type { Clock } from "../../platform/index.js";

/** How often each side of a snapshot's channel looks whether the other one is still there. */
export const checkIntervalMs = 1_000;

/** Tells that something has not happened for too long. Counted, not timed: whoever stood still for a minute has missed one look. */
export class InactivityTimer {
  private missed = 0;
  private readonly cancel: () => void;

  /** @param onTooLong called at each look from the `most`-th on; what waits for something else calls `broken` meanwhile */
  constructor(clock: Clock, most: number, onTooLong: () => void) {
    this.cancel = clock.every(checkIntervalMs, () => {
      if (++this.missed > most) onTooLong();
    });
  }

  /** What was waited for has happened. */
  reset(): void {
    this.missed = 0;
  }

  stop(): void {
    this.cancel();
  }
}

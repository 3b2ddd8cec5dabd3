// A timer for the deadlines of all calls of a connection.
import type { Clock } from "./clock.js";

/** Ends the calls whose deadline is reached; `Connection` implements it. */
export interface ExpiringCalls {
  /** Ends the calls whose deadline is not after `now`. @returns the nearest of the remaining deadlines; Infinity: none */
  expire(now: number): number;
}

/**
 * Waits for the nearest deadline. Most calls end long before their deadline, so a new call sets no timer if an earlier timer is
 * set, and an ending call stops no timer if other calls remain. A timer that fires before any deadline is set again.
 */
export class DeadlineTimer {
  private calls = 0;
  private timerAt = Infinity;
  private stop: (() => void) | undefined = undefined;

  constructor(
    private readonly clock: Clock,
    private readonly all: ExpiringCalls,
  ) {}

  onCallBegin(deadline: number): void {
    this.calls += 1;
    if (deadline < this.timerAt) this.set(deadline);
  }

  /** A call has ended: stops the timer if it was the last call. */
  onCallEnd(): void {
    this.calls -= 1;
    if (this.calls === 0) this.clear();
  }

  private set(deadline: number): void {
    this.clear();
    this.timerAt = deadline;
    this.stop = this.clock.after(deadline - this.clock.now(), () => {
      this.clear();
      // `Math.max`, because Node's timers may fire a little early.
      const next = this.all.expire(Math.max(deadline, this.clock.now()));
      if (next < this.timerAt) this.set(next);
    });
  }

  private clear(): void {
    this.stop?.();
    this.stop = undefined;
    this.timerAt = Infinity;
  }
}

// A timer for the deadlines of all calls of a connection.
import type { Clock } from "./clock.js";

/** Ends the calls whose deadline is reached; `Connection` implements it. */
export interface ExpiringCalls {
  /** @returns the nearest of the remaining deadlines; Infinity: there is none */
  expire(now: number): number;
}

/**
 * Waits for the nearest deadline. Most calls end long before theirs, so a call neither sets a timer, if an earlier one is set, nor
 * stops one, if there are others. A timer that finds no deadline reached is set again.
 */
export class DeadlineTimer {
  private calls = 0;
  private timerAt = Infinity;
  private stop: (() => void) | undefined = undefined;

  constructor(
    private readonly clock: Clock,
    private readonly all: ExpiringCalls,
  ) {}

  callBegins(deadline: number): void {
    this.calls += 1;
    if (deadline < this.timerAt) this.set(deadline);
  }

  /** Leaves no timer behind the last call. */
  callEnds(): void {
    this.calls -= 1;
    if (this.calls === 0) this.clear();
  }

  private set(deadline: number): void {
    this.clear();
    this.timerAt = deadline;
    this.stop = this.clock.after(deadline - this.clock.now(), () => {
      this.clear();
      // Node's timers may fire a little early.
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

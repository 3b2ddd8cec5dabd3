import type { Clock } from "../../platform/index.js";

/** The time between two sweeps, in milliseconds: one timer for all that waits, and none while nothing waits. */
const sweepMs = 50;

/**
 * Sweeps a queue with deadlines for as long as anything waits in it. A deadline can be a number of sweeps: no request has to look
 * at the clock, and the time of a frozen process does not count.
 */
export class Sweeper {
  /** The number of sweeps so far. */
  sweeps = 0;
  private cancel: (() => void) | undefined;

  /** @param sweep ends what is overdue; says whether anything is left */
  constructor(
    private readonly clock: Clock,
    private readonly sweep: () => boolean,
  ) {}

  /** Starts sweeping, unless it has started. */
  wake(): void {
    this.cancel ??= this.clock.every(sweepMs, () => {
      this.sweeps++;
      if (!this.sweep()) this.stop();
    });
  }

  /** Returns the number of the first sweep after so many milliseconds from now. */
  sweepAfter(ms: number): number {
    return this.sweeps + Math.ceil(ms / sweepMs) + 1; // the next sweep may be due at once
  }

  stop(): void {
    this.cancel?.();
    this.cancel = undefined;
  }
}

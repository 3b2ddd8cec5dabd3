import type { Clock } from "../../platform/index.js";

/** The interval of sweeps, in milliseconds: a single timer for a whole queue, and none while the queue is empty. */
const sweepMs = 50;

/**
 * Sweeps a queue with deadlines while it is not empty. A deadline can be the number of a sweep: then no request reads the
 * clock, and the time in which the process was frozen does not count.
 */
export class Sweeper {
  /** The number of sweeps so far. */
  sweeps = 0;
  private cancel: (() => void) | undefined;

  /** @param sweep ends overdue items; returns whether any are left */
  constructor(
    private readonly clock: Clock,
    private readonly sweep: () => boolean,
  ) {}

  /** Starts the sweeps, unless they run. */
  wake(): void {
    this.cancel ??= this.clock.every(sweepMs, () => {
      this.sweeps++;
      if (!this.sweep()) this.stop();
    });
  }

  /** Returns the number of the first sweep that comes at least `ms` milliseconds from now. */
  sweepAfter(ms: number): number {
    return this.sweeps + Math.ceil(ms / sweepMs) + 1; // the next sweep may be due at once
  }

  stop(): void {
    this.cancel?.();
    this.cancel = undefined;
  }
}

import type { Clock } from "../../platform/index.js";

/** The time between two sweeps, in milliseconds: one timer for all that waits, and none while nothing waits. */
const sweepMs = 50;

/** Sweeps a queue with deadlines for as long as anything waits in it. */
export class Sweeper {
  private cancel: (() => void) | undefined;

  /** @param sweep ends what is overdue; says whether anything is left */
  constructor(
    private readonly clock: Clock,
    private readonly sweep: () => boolean,
  ) {}

  /** Starts sweeping, unless it has started. */
  wake(): void {
    this.cancel ??= this.clock.every(sweepMs, () => {
      if (!this.sweep()) this.stop();
    });
  }

  stop(): void {
    this.cancel?.();
    this.cancel = undefined;
  }
}

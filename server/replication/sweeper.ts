import type { Clock } from "../../platform/index.js";

/** How often something that waits is looked at: one timer for all of it, and none while nothing waits. */
const sweepMs = 50;

/** Looks after what waits for a deadline, for as long as something waits. */
export class Sweeper {
  private cancel: (() => void) | undefined;

  /** @param sweep ends what is overdue; says whether anything is left */
  constructor(
    private readonly clock: Clock,
    private readonly sweep: () => boolean,
  ) {}

  /** Something waits from now on. */
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

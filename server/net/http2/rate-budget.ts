/** Allows a burst of events, and a fixed number per second after that. */
export class RateBudget {
  private countedAt: number | undefined;
  private allowance: number;

  constructor(
    private readonly burst: number,
    private readonly perSecond: number,
  ) {
    this.allowance = burst;
  }

  /** Counts one event. @returns whether it is within the budget */
  countEvent(nowMs: number): boolean {
    const elapsedMs = nowMs - (this.countedAt ?? nowMs);
    this.countedAt = nowMs;
    this.allowance = Math.min(this.burst, this.allowance + (elapsedMs / 1_000) * this.perSecond) - 1;
    return this.allowance >= 0;
  }
}

import type { Clock } from "../../platform/index.js";

/** Shares out so many bytes a second among all who ask, in the order in which they ask. */
export class RateLimiter {
  /** When what was given out so far will have been earned. */
  private availableAt = -Infinity;

  constructor(
    private readonly clock: Clock,
    private readonly bytesPerSecond: number,
  ) {}

  /** Resolves when `bytes` may be sent: never in the same turn of the event loop. */
  whenAllowed(bytes: number): Promise<void> {
    const now = this.clock.now();
    const startsAt = Math.max(now, this.availableAt);
    this.availableAt = startsAt + (bytes * 1000) / this.bytesPerSecond;
    return new Promise((resolve) => {
      if (startsAt <= now) this.clock.soon(resolve);
      else this.clock.after(startsAt - now, resolve);
    });
  }
}

import type { Clock } from "../../platform/index.js";

/** Limits all callers together to a number of bytes per second, in the order of their calls. */
export class RateLimiter {
  /** The time from which on further bytes are available, in milliseconds. */
  private availableAt = -Infinity;

  constructor(
    private readonly clock: Clock,
    private readonly bytesPerSecond: number,
  ) {}

  /** Resolves when `bytes` may be sent, never in the same turn of the event loop. */
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

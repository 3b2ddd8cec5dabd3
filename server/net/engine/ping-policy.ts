import type { PingChecker } from "../http2/index.js";

/**
 * The minimum interval of pings while a call is open, in milliseconds: the default of etcd's `--grpc-keepalive-min-time` (gRPC
 * proposal A8).
 */
export const defaultMinPingIntervalMs = 5_000;
/** The minimum interval while no call is open, in milliseconds. */
const minIdleIntervalMs = 2 * 60 * 60 * 1_000;
/** Early pings in a row that are tolerated; one more ends the connection. */
const maxStrikes = 2;

/**
 * Counts a client's pings by the rules of etcd's gRPC server: an early one is a strike, and headers or data to the client reset
 * the strikes. Example on an idle connection: pings at 0, 1, 2 and 3 s give 0, 1, 2 and 3 strikes; the third is too many.
 */
export class PingPolicy implements PingChecker {
  private lastPingAt = -Infinity;
  private strikes = 0;
  private isForgiven = false;

  constructor(private readonly minIntervalMs = defaultMinPingIntervalMs) {}

  /** Called when headers or data were sent to the client. */
  onSent(): void {
    this.isForgiven = true;
  }

  /** @returns true: the client pings too often, the connection ends */
  onPing(nowMs: number, hasOpenCalls: boolean): boolean {
    const interval = nowMs - this.lastPingAt;
    this.lastPingAt = nowMs;
    if (this.isForgiven) {
      this.isForgiven = false;
      this.strikes = 0;
      return false;
    }
    if (interval < (hasOpenCalls ? this.minIntervalMs : minIdleIntervalMs)) this.strikes += 1;
    return this.strikes > maxStrikes;
  }
}

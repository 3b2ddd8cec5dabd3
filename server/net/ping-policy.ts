/** Shortest time between pings while a call is open: the default of etcd's `--grpc-keepalive-min-time` (gRPC proposal A8). */
export const defaultMinPingIntervalMs = 5_000;
/** The same while no call is open. */
const minIdleIntervalMs = 2 * 60 * 60 * 1_000;
/** Pings that may come too early one after the other; one more ends the connection. */
const maxStrikes = 2;

/**
 * Counts the pings of a client by the rules of etcd's gRPC server: too early is a strike, and sending the client anything forgives
 * all of them. With an idle connection, pings at 0, 1, 2 and 3 s give 0, 1, 2 and 3 strikes; the last one is too many.
 */
export class PingPolicy {
  private lastPingAt = -Infinity;
  private strikes = 0;
  private isForgiven = false;

  constructor(private readonly minIntervalMs = defaultMinPingIntervalMs) {}

  /** Headers or data were sent to the client. */
  onSent(): void {
    this.isForgiven = true;
  }

  /** @returns whether the client pings too often, and has to go */
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

// A lease that is renewed until it is closed or lost.
import { type Clock, type LeaseLostError, settleQuietly } from "../transport/index.js";
import type { LeaseStream } from "./lease-stream.js";
import { type Granted, Renewals } from "./renewals.js";

/**
 * A lease that is being renewed. The lease counts as lost when the server reports that it does not exist, or when renewals have
 * been unanswered for so long that it may have expired: by the local monotonic clock, shortly before the lease can expire on the
 * server. (That clock continues while this process is stopped, but not while the machine sleeps.)
 */
export class LeaseKeepAlive implements AsyncDisposable {
  /** Id of the lease, for `put`. */
  readonly id: bigint;
  /** TTL as granted. */
  readonly ttlSeconds: number;
  /** Aborted when the lease is lost, with a LeaseLostError as the reason. Pass it to requests that must not outlast the lease. */
  readonly lossSignal: AbortSignal;
  /** Resolves when the renewals have ended: to the loss, or to undefined after `close()`. */
  readonly whenEnded: Promise<LeaseLostError | undefined>;
  private readonly loss = new AbortController();
  private readonly clock: Clock;
  private readonly renewals: Renewals;
  private end: (loss?: LeaseLostError) => void = () => undefined;
  private isClosed = false;
  private isReleased = false;

  /** @param release called by `close()` after the last renewal: revokes the lease, or leaves it */
  constructor(
    stream: LeaseStream,
    granted: Granted,
    private readonly release: () => Promise<void>,
  ) {
    this.id = granted.id;
    this.ttlSeconds = granted.ttlSeconds;
    this.clock = stream.clock;
    this.lossSignal = this.loss.signal;
    this.whenEnded = new Promise((resolve) => (this.end = resolve));
    this.renewals = new Renewals(stream, granted, (loss) => {
      this.loss.abort(loss);
      this.end(loss);
    });
  }

  /**
   * Milliseconds for which the lease certainly exists; 0 if it may have expired. After a long stop of this process, the value is
   * 0 even before `lossSignal` is aborted.
   */
  get remainingMs(): number {
    return this.lossSignal.aborted || this.isClosed ? 0 : Math.max(this.renewals.certainUntil - this.clock.now(), 0);
  }

  /**
   * Stops renewing. A lease from `hold` is revoked; a lease from `keepAlive` expires. May be called twice, and again after a
   * failure.
   *
   * @throws EtcdError if the lease could not be revoked: it then expires
   */
  async close(): Promise<void> {
    if (this.lossSignal.aborted || this.isReleased) return;
    this.isClosed = true;
    this.renewals.stop();
    this.end();
    await this.release();
    this.isReleased = true;
  }

  /** Closes the lease without throwing; a lease that could not be revoked expires. */
  async [Symbol.asyncDispose](): Promise<void> {
    await settleQuietly(this.close());
  }
}

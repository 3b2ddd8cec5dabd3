// A lease that is renewed until it is closed or lost.
import { type Clock, LeaseLostError, settleQuietly } from "../transport/index.js";
import type { LeaseStream, Renewing } from "./lease-stream.js";

/** The longest pause between two renewals: Node's timers have a limit of 24.8 days. */
const longestPauseMs = 24 * 3_600_000;
/**
 * Share of the TTL by which a loss is reported early, so that the holder can stop before another client can get the lock or
 * leadership that the lease protects.
 */
const safetyMargin = 0.1;

/** Renewals within one TTL: two may fail before the lease expires. */
const renewalsPerTtl = 3;

/** A lease as granted, or as last renewed, before its keep-alives begin. */
export interface Granted {
  readonly id: bigint;
  readonly ttlSeconds: number;
  /** Time of the request by the client's clock: the lease's time cannot have begun earlier on the server. */
  readonly sentAt: number;
}

/**
 * A lease that is being renewed. The lease counts as lost when the server reports that it does not exist, or when renewals have
 * been unanswered for so long that it may have expired: by the local monotonic clock, shortly before the lease can expire on the
 * server. (That clock continues while this process is stopped, but not while the machine sleeps.)
 */
export class LeaseKeepAlive implements AsyncDisposable {
  readonly id: bigint;
  readonly ttlSeconds: number;
  /** Aborted when the lease is lost, with a LeaseLostError as the reason. Pass it to requests that must not outlast the lease. */
  readonly lossSignal: AbortSignal;
  /** Resolves when the renewals have ended: to the loss, or to undefined after `close()`. */
  readonly whenEnded: Promise<LeaseLostError | undefined>;
  private readonly loss = new AbortController();
  private readonly renewing: Renewing;
  private readonly clock: Clock;
  private readonly answerTimeoutMs: number;
  private end: (loss?: LeaseLostError) => void = () => undefined;
  private certainUntil = 0;
  /** Time at which the unanswered renewal was sent. */
  private askedAt: number | undefined;
  private stopTimer: () => void = () => undefined;
  private isClosed = false;
  private isReleased = false;

  /** @param release called by `close()` after the last renewal: revokes the lease, or leaves it */
  constructor(
    private readonly stream: LeaseStream,
    { id, ttlSeconds, sentAt }: Granted,
    private readonly release: () => Promise<void>,
  ) {
    this.id = id;
    this.ttlSeconds = ttlSeconds;
    this.clock = stream.clock;
    this.lossSignal = this.loss.signal;
    this.whenEnded = new Promise((resolve) => (this.end = resolve));
    this.answerTimeoutMs = Math.min((ttlSeconds * 1000) / renewalsPerTtl, stream.answerTimeoutMs);
    this.renewing = {
      id,
      onOpen: () => this.renew(),
      onRenewed: (seconds) => this.onRenewed(seconds),
      onFailure: (error) => this.lose(new LeaseLostError(id, "unconfirmed", { cause: error })),
    };
    this.scheduleRenewal(sentAt, ttlSeconds);
    stream.add(this.renewing);
  }

  /**
   * Milliseconds for which the lease certainly exists; 0 if it may have expired. After a long stop of this process, the value is
   * 0 even before `lossSignal` is aborted.
   */
  get remainingMs(): number {
    return this.lossSignal.aborted || this.isClosed ? 0 : Math.max(this.certainUntil - this.clock.now(), 0);
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
    this.stop();
    this.end();
    await this.release();
    this.isReleased = true;
  }

  /** Closes the lease without throwing; a lease that could not be revoked expires. */
  async [Symbol.asyncDispose](): Promise<void> {
    await settleQuietly(this.close());
  }

  private renew(): void {
    const now = this.clock.now();
    this.askedAt = this.stream.renew(this.renewing) ? now : undefined;
    this.wakeAt(now + this.answerTimeoutMs);
  }

  private onRenewed(ttlSeconds: number): void {
    if (ttlSeconds <= 0) this.lose(new LeaseLostError(this.id, "gone"));
    else if (this.askedAt !== undefined) this.scheduleRenewal(this.askedAt, ttlSeconds);
  }

  private scheduleRenewal(sentAt: number, ttlSeconds: number): void {
    this.askedAt = undefined;
    this.certainUntil = sentAt + ttlSeconds * 1000 * (1 - safetyMargin);
    this.wakeAt(sentAt + (ttlSeconds * 1000) / renewalsPerTtl);
  }

  private wakeAt(time: number): void {
    this.stopTimer();
    const delay = Math.min(time, this.certainUntil) - this.clock.now();
    // `every`, because a repeated timer does not keep the process alive; an open connection does. The delay is rounded up: Node's
    // timers may fire early by a fraction of a millisecond.
    const stop = this.clock.every(Math.min(Math.max(Math.ceil(delay), 1), longestPauseMs), () => {
      stop();
      this.wake();
    });
    this.stopTimer = stop;
  }

  private wake(): void {
    if (this.clock.now() >= this.certainUntil) this.lose(new LeaseLostError(this.id, "unconfirmed"));
    else if (this.askedAt === undefined) this.renew();
    else {
      this.askedAt = undefined;
      this.wakeAt(this.clock.now() + this.answerTimeoutMs);
      this.stream.leaveServer(`no answer to a renewal within ${Math.round(this.answerTimeoutMs)} ms`);
    }
  }

  private lose(loss: LeaseLostError): void {
    this.stop();
    this.loss.abort(loss);
    this.end(loss);
  }

  private stop(): void {
    this.stopTimer();
    this.stream.remove(this.renewing);
  }
}

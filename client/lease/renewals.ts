// The renewals of one lease, until it is lost.
import { type Clock, LeaseLostError } from "../transport/index.js";
import type { LeaseStream, RenewedLease } from "./lease-stream.js";

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

/** Renews a lease on the stream of its client, from its creation until `stop` or the loss. */
export class Renewals implements RenewedLease {
  readonly id: bigint;
  private readonly clock: Clock;
  private readonly answerTimeoutMs: number;
  /** Time at which the unanswered renewal was sent. */
  private askedAt: number | undefined;
  private stopTimer: () => void = () => undefined;
  private certainlyHeldUntil = 0;

  /** @param onLost called at most once, when the renewals have stopped because the lease is lost */
  constructor(
    private readonly stream: LeaseStream,
    { id, ttlSeconds, sentAt }: Granted,
    private readonly onLost: (loss: LeaseLostError) => void,
  ) {
    this.id = id;
    this.clock = stream.clock;
    this.answerTimeoutMs = Math.min((ttlSeconds * 1000) / renewalsPerTtl, stream.answerTimeoutMs);
    this.scheduleRenewal(sentAt, ttlSeconds);
    stream.add(this);
  }

  /** The time until which the lease certainly exists, by the client's clock. */
  get certainUntil(): number {
    return this.certainlyHeldUntil;
  }

  onOpen(): void {
    this.renew();
  }

  onRenewed(ttlSeconds: number): void {
    if (ttlSeconds <= 0) this.lose(new LeaseLostError(this.id, "gone"));
    else if (this.askedAt !== undefined) this.scheduleRenewal(this.askedAt, ttlSeconds);
  }

  onFailure(error: Error): void {
    this.lose(new LeaseLostError(this.id, "unconfirmed", { cause: error }));
  }

  /** May be called twice. */
  stop(): void {
    this.stopTimer();
    this.stream.remove(this);
  }

  private renew(): void {
    const now = this.clock.now();
    this.askedAt = this.stream.renew(this) ? now : undefined;
    this.wakeAt(now + this.answerTimeoutMs);
  }

  private scheduleRenewal(sentAt: number, ttlSeconds: number): void {
    this.askedAt = undefined;
    this.certainlyHeldUntil = sentAt + ttlSeconds * 1000 * (1 - safetyMargin);
    this.wakeAt(sentAt + (ttlSeconds * 1000) / renewalsPerTtl);
  }

  private wakeAt(time: number): void {
    this.stopTimer();
    const delay = Math.min(time, this.certainlyHeldUntil) - this.clock.now();
    // `every`, because a repeated timer does not keep the process alive; an open connection does. The delay is rounded up: Node's
    // timers may fire early by a fraction of a millisecond.
    const stop = this.clock.every(Math.min(Math.max(Math.ceil(delay), 1), longestPauseMs), () => {
      stop();
      this.wake();
    });
    this.stopTimer = stop;
  }

  private wake(): void {
    if (this.clock.now() >= this.certainlyHeldUntil) this.lose(new LeaseLostError(this.id, "unconfirmed"));
    else if (this.askedAt === undefined) this.renew();
    else {
      this.askedAt = undefined;
      this.wakeAt(this.clock.now() + this.answerTimeoutMs);
      this.stream.leaveServer(`no answer to a renewal within ${Math.round(this.answerTimeoutMs)} ms`);
    }
  }

  private lose(loss: LeaseLostError): void {
    this.stop();
    this.onLost(loss);
  }
}

// Detects a silent server long before its connection breaks: a frozen process keeps its connections open.

import type { Clock } from "./clock.js";
import type { CallLimits } from "./methods.js";
import { Wakeup } from "./wakeup.js";

/** Period of the timer that checks all open requests of a connection. */
const periodMs = 250;

/**
 * Periods after which a server counts as silent: no answer, although a request and a probe were sent. Counted in periods, not in
 * milliseconds, because a busy process reads all received answers once per period, however long the period takes.
 */
const silentPeriods = 4;

/** Time without an answer after which a server is probed before it is sent a write. */
const idleMs = 5_000;

/**
 * Bounds the writes that are sent to a server after its last answer: to this number, or to twice the number of its answers in the
 * previous period. Further writes wait until the server answers a probe, so that few writes have an unknown outcome if the server
 * is frozen.
 */
const minUnconfirmed = 4;

/** The server whose answers a `Liveness` follows; `Connection` implements it. */
export interface ProbedServer {
  /** Sends a request whose answer does not matter. The end of the request is reported by `onProbeEnd`. */
  probe(): void;
  /** Checks all pending requests. Called once per period while a request is unanswered, and every `idleMs` while there are streams. */
  checkPending(): void;
}

/**
 * Detects a silent server. Example: a put is sent to a frozen server. After one period without an answer a probe is sent; after
 * three more periods `isSilent` is true. Meanwhile, further writes wait in `whenConfirmed()`, which then resolves. When the
 * server continues and answers the put or the probe, `isSilent` is false again.
 */
export class Liveness {
  isSilent = false;
  private receivedAt: number;
  private answersInPeriod = 0;
  private maxUnconfirmed = minUnconfirmed;
  /** Writes admitted since the server's last message. */
  private unconfirmed = 0;
  private quietPeriods = 0;
  private isProbing = false;
  /** True if a message was sent on a stream since the server's last message. */
  private isAsked = false;
  private calls = 0;
  private streams = 0;
  private readonly waiting: Wakeup;
  private timer: { readonly stop: () => void; readonly isFast: boolean } | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly server: ProbedServer,
  ) {
    this.receivedAt = clock.now();
    this.waiting = new Wakeup(clock);
  }

  /** Asks to send a write. True: it may be sent now, and is counted. False: wait for `whenConfirmed`. */
  admitWrite(): boolean {
    if (this.waiting.hasWaiters || this.isSilent) return false;
    const isAdmitted =
      this.unconfirmed === 0 ? this.clock.now() - this.receivedAt < idleMs : this.unconfirmed < this.maxUnconfirmed;
    if (isAdmitted) this.unconfirmed += 1;
    return isAdmitted;
  }

  /**
   * Resolves when the server sends a message, at the next period if the server is silent, when the connection breaks, or at the
   * limits.
   */
  whenConfirmed({ deadline, signal }: CallLimits): Promise<void> {
    const confirmed = this.waiting.wait(deadline - this.clock.now(), signal);
    this.probe();
    this.watch();
    return confirmed;
  }

  onCallBegin(): void {
    this.calls += 1;
    this.watch();
  }

  onCallEnd(): void {
    this.calls -= 1;
  }

  onStreamBegin(): void {
    this.streams += 1;
    this.watch();
  }

  onStreamEnd(): void {
    this.streams -= 1;
  }

  /** A message was sent on a stream; the server will probably answer. */
  onAsk(): void {
    this.isAsked = true;
    this.watch();
  }

  /** The server has sent a message. */
  onAnswer(): void {
    // Only the first answer of a fast period reads the clock: a server counts as idle at most one period too early.
    if (this.answersInPeriod === 0 || this.timer?.isFast !== true) this.receivedAt = this.clock.now();
    this.answersInPeriod += 1;
    this.unconfirmed = this.quietPeriods = 0;
    this.isAsked = this.isSilent = false;
    this.waiting.wake();
  }

  /** The probe has ended, with an answer or without. */
  onProbeEnd(): void {
    this.isProbing = false;
  }

  /** The connection has come up or has broken. */
  onConnectionChange(isUp: boolean): void {
    if (isUp) this.onAnswer();
    else this.waiting.wake();
  }

  /** Wakes all waiting writes: each checks the state again. */
  wakeWaiting(): void {
    this.waiting.wake();
  }

  /** Stops the timer: no answer is expected any more. */
  stop(): void {
    this.timer?.stop();
    this.timer = undefined;
    this.quietPeriods = 0;
    this.maxUnconfirmed = minUnconfirmed;
    this.waiting.wake();
  }

  private get isExpecting(): boolean {
    return this.calls > 0 || this.isAsked || this.waiting.hasWaiters || (this.isProbing && !this.isSilent);
  }

  /** Sets the timer, if it must run faster than now. It runs until a period has nothing to do, so that most calls set no timer. */
  private watch(): void {
    const isFast = this.isExpecting;
    if (this.timer?.isFast === true || this.timer?.isFast === isFast) return;
    this.setTimer(isFast);
  }

  private setTimer(isFast: boolean): void {
    this.timer?.stop();
    const stop = this.clock.every(isFast ? periodMs : idleMs, () => this.onPeriod(isFast));
    this.timer = { stop, isFast };
    this.answersInPeriod = this.quietPeriods = 0;
  }

  private onPeriod(isFast: boolean): void {
    this.maxUnconfirmed = Math.max(minUnconfirmed, isFast ? 2 * this.answersInPeriod : 0);
    const wasQuiet = this.answersInPeriod === 0;
    this.answersInPeriod = 0;
    if (!this.isExpecting && !isFast && this.streams > 0 && wasQuiet)
      this.probe(); // an idle stream expects no message, so only a probe shows that the server is alive
    else if (this.isExpecting && wasQuiet) this.onQuietPeriod();
    this.server.checkPending();
    if (this.timer === undefined) return; // `stop` was called meanwhile
    if (this.isExpecting !== isFast && (this.isExpecting || this.streams > 0)) this.setTimer(this.isExpecting);
    else if (!this.isExpecting && this.streams === 0) this.stop();
  }

  private onQuietPeriod(): void {
    this.quietPeriods += 1;
    this.probe();
    if (this.quietPeriods < silentPeriods) return;
    this.isSilent = true;
    this.waiting.wake(); // in each period, because another server may be available now
  }

  private probe(): void {
    if (this.isProbing) return;
    this.isProbing = true;
    this.server.probe();
    this.watch();
  }
}

// Noticing that a server has fallen silent, long before its connection breaks: a frozen process keeps its connections open.

import type { Clock } from "./clock.js";
import type { CallLimits } from "./methods.js";
import { Wakeup } from "./wakeup.js";

/** Period of the one timer that looks at all open requests of a connection. */
const periodMs = 250;

/**
 * Periods after which a server counts as silent: nothing came, although something was asked and a probe was sent.
 * Periods are counted and not milliseconds: in each one this process has read what has come, however busy it is.
 */
const silentPeriods = 4;

/** Time without an answer after which a server is probed before it is sent a write. */
const idleMs = 5_000;

/**
 * Bounds the writes sent to a server since its last answer: this many, or twice as many as the answers that it gave in the
 * period before. Those beyond wait until it answers a probe, so that few are lost with a server that has frozen.
 */
const minUnconfirmed = 4;

/** The server whose answers a `Liveness` follows; `Connection` implements it. */
export interface ProbedServer {
  /** Asks the server for anything. Any answer will do; `onProbeEnd` says that there will be none. */
  probe(): void;
  /** Checks all pending requests: once per period while one is unanswered, and every `idleMs` while there are streams. */
  checkPending(): void;
}

/**
 * Example: a put is sent to a server that is frozen. After one period without an answer a probe is sent; after three more
 * `isSilent` is true. Writes that want to be sent meanwhile wait in `whenConfirmed()`, which then resolves. When the server
 * goes on and answers either, `isSilent` is false again.
 */
export class Liveness {
  isSilent = false;
  private heardAt: number;
  private answersInPeriod = 0;
  private maxUnconfirmed = minUnconfirmed;
  /** Writes admitted since the server last sent anything. */
  private unconfirmed = 0;
  private quietPeriods = 0;
  private isProbing = false;
  /** True if something was sent on a stream since the server last sent anything. */
  private isAsked = false;
  private calls = 0;
  private streams = 0;
  private readonly waiting: Wakeup;
  private timer: { readonly stop: () => void; readonly isFast: boolean } | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly server: ProbedServer,
  ) {
    this.heardAt = clock.now();
    this.waiting = new Wakeup(clock);
  }

  /** Whether a write may be sent now, which then counts; otherwise wait for `whenConfirmed`. */
  admitWrite(): boolean {
    if (this.waiting.hasWaiters || this.isSilent) return false;
    const isAdmitted =
      this.unconfirmed === 0 ? this.clock.now() - this.heardAt < idleMs : this.unconfirmed < this.maxUnconfirmed;
    if (isAdmitted) this.unconfirmed += 1;
    return isAdmitted;
  }

  /** Resolves when the server sends anything, and in each period while the server is silent, when its connection breaks, or at the limits. */
  whenConfirmed({ deadline, signal }: CallLimits): Promise<void> {
    const confirmed = this.waiting.wait(deadline - this.clock.now(), signal);
    this.probe();
    this.watch();
    return confirmed;
  }

  callBegins(): void {
    this.calls += 1;
    this.watch();
  }

  callEnds(): void {
    this.calls -= 1;
  }

  streamBegins(): void {
    this.streams += 1;
    this.watch();
  }

  streamEnds(): void {
    this.streams -= 1;
  }

  /** Notes that something was sent on a stream, which the server will probably answer. */
  onAsk(): void {
    this.isAsked = true;
    this.watch();
  }

  /** The server has sent something. */
  onAnswer(): void {
    // The first answer of a short period dates them all: a server counts as idle at most that much too early.
    if (this.answersInPeriod === 0 || this.timer?.isFast !== true) this.heardAt = this.clock.now();
    this.answersInPeriod += 1;
    this.unconfirmed = this.quietPeriods = 0;
    this.isAsked = this.isSilent = false;
    this.waiting.wake();
  }

  /** The probe has ended, with an answer or without. */
  onProbeEnd(): void {
    this.isProbing = false;
  }

  /** There is another connection, or none. */
  onConnectionChange(isUp: boolean): void {
    if (isUp) this.onAnswer();
    else this.waiting.wake();
  }

  /** Wakes all waiting writes: each looks at the state again. */
  reconsider(): void {
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

  /** Has the timer run as fast as is needed now. It goes on until it finds nothing to do, so most calls start none. */
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
      this.probe(); // of an idle stream nothing is expected
    else if (this.isExpecting && wasQuiet) this.onQuietPeriod();
    this.server.checkPending();
    if (this.timer === undefined) return; // closed meanwhile
    if (this.isExpecting !== isFast && (this.isExpecting || this.streams > 0)) this.setTimer(this.isExpecting);
    else if (!this.isExpecting && this.streams === 0) this.stop();
  }

  private onQuietPeriod(): void {
    this.quietPeriods += 1;
    this.probe();
    if (this.quietPeriods < silentPeriods) return;
    this.isSilent = true;
    this.waiting.wake(); // each time: another server may be there by now
  }

  private probe(): void {
    if (this.isProbing) return;
    this.isProbing = true;
    this.server.probe();
    this.watch();
  }
}

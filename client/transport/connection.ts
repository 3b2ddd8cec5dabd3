// An endpoint, the connection to it, and calls and streams over it.
import { HealthDefinition } from "../../proto/index.js";
import type { Channel } from "./channel.js";
import type { Clock } from "./clock.js";
import { errorFromFailure, EtcdError, notSentError } from "./errors.js";
import { Liveness, type ProbedServer } from "./liveness.js";
import { DeadlineTimer, type ExpiringCalls } from "./deadline-timer.js";
import { streamMethod, type CallLimits, type StreamMethod, type UnaryMethod } from "./methods.js";
import type { TransportSettings } from "./options.js";
import { type PendingItem, PendingList, unlisted } from "./pending-list.js";
import { UnaryCall, type CalledServer, type CallEnd, type CallingConnection, type ReadTry } from "./unary-call.js";
import { Stream, type StreamConnection, type StreamEvents } from "./stream.js";

/** The user of a connection. */
export interface ConnectionOwner {
  /** Handles a connection that has come up. */
  onUp(): void;
  /** Ends all requests that wait: the servers were replaced, and no earlier request may reach the new ones. */
  interrupt(error: EtcdError): void;
  /** Whether another connection could be used instead. */
  hasAlternative(connection: Connection): boolean;
}

const check = streamMethod(HealthDefinition, HealthDefinition.methods.check);

/** Settles a promise at the end of a call. */
class PromisedCall<Response> implements CallEnd<Response> {
  constructor(
    private readonly resolve: (response: Response) => void,
    private readonly reject: (error: EtcdError) => void,
  ) {}

  onEnd(error: EtcdError | undefined, response: Response | undefined): void {
    if (error === undefined) this.resolve(response as Response);
    else this.reject(error);
  }
}

/** The connection to one endpoint, with its calls and streams. `connect` starts it. */
export class Connection implements ProbedServer, ExpiringCalls, CallingConnection, StreamConnection {
  private readonly channel: Channel;
  /** The interface of the server that calls use. */
  private readonly server: CalledServer;
  private readonly liveness: Liveness;
  private readonly pending = new PendingList();
  private readonly deadlines: DeadlineTimer;
  private hasClosed = false;
  private isRetired = false;

  constructor(
    readonly endpoint: string,
    settings: TransportSettings,
    private readonly clock: Clock,
    private readonly owner: ConnectionOwner,
  ) {
    this.liveness = new Liveness(clock, this);
    this.deadlines = new DeadlineTimer(clock, this);
    this.channel = settings.transport.open(endpoint, settings.channel);
    this.channel.onStateChange(() => this.onStateChange());
    this.channel.onReplaced?.((failure) => owner.interrupt(errorFromFailure(failure, "read", endpoint)));
    this.server = { channel: this.channel, endpoint, clock, login: settings.login };
  }

  /** Whether the server answers nothing, although the connection is up. */
  get isSilent(): boolean {
    return this.liveness.isSilent;
  }

  get isUp(): boolean {
    return !this.hasClosed && this.channel.state === "ready";
  }

  /** Starts connecting, unless the channel is connected or connecting. */
  connect(): void {
    if (!this.hasClosed) this.channel.connect();
  }

  /** Resolves to the reason why `isUp` is false. */
  async reason(): Promise<string> {
    return this.channel.state === "transient-failure" ? this.channel.failureReason() : "no answer";
  }

  /**
   * Asks to send a write.
   *
   * @returns false if the write should wait for `whenConfirmed`: too many were sent since the server's last answer
   */
  admitWrite(): boolean {
    return this.liveness.admitWrite();
  }

  /** Resolves when the server has answered, and also when it counts as silent or its connection is down. */
  whenConfirmed(limits: CallLimits): Promise<void> {
    return this.liveness.whenConfirmed(limits);
  }

  /** Whether this connection is closed. */
  get isClosed(): boolean {
    return this.hasClosed;
  }

  /** Makes a call. @throws EtcdError if the request does not succeed */
  call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    limits: CallLimits,
    readTry?: ReadTry,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.beginCall(method, request, limits, new PromisedCall(resolve, reject), readTry);
    });
  }

  /** Makes a call. @param caller `onEnd` may be called before `beginCall` returns */
  beginCall<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    limits: CallLimits,
    caller: CallEnd<Response>,
    readTry?: ReadTry,
    now = this.clock.now(),
  ): void {
    // The client may have been closed, or the signal aborted, since the caller's check of `isUp`.
    if (this.hasClosed || limits.signal?.aborted) return caller.onEnd(notSentError(limits.signal), undefined);
    if (now >= limits.deadline) return caller.onEnd(this.tooLateError(), undefined);
    const call = new UnaryCall(this.server, this, method, limits, caller, now, readTry);
    call.sendRequest(request);
    this.pending.add(call);
    this.deadlines.onCallBegin(limits.deadline);
    this.liveness.onCallBegin();
  }

  onCallEnd(call: PendingItem, isAnswered: boolean): void {
    const { liveness } = this;
    this.pending.delete(call);
    this.deadlines.onCallEnd();
    liveness.onCallEnd();
    if (isAnswered && this.isUp) liveness.onAnswer();
    this.closeIfRetired();
  }

  expire(now: number): number {
    let next = Infinity;
    for (const call of this.pending.all())
      if (call.deadline <= now) call.expire();
      else next = Math.min(next, call.deadline);
    return next;
  }

  /**
   * Opens a stream, which lasts until either side ends it.
   *
   * @throws EtcdError "cancelled" if the client is closed
   */
  open<Request, Response>(
    method: StreamMethod<Request, Response>,
    events: StreamEvents<Response>,
  ): Stream<Request, Response> {
    if (this.hasClosed) throw notSentError(undefined);
    const stream = new Stream(this.server, method, this, this.liveness, events);
    this.pending.add(stream);
    this.liveness.onStreamBegin();
    return stream;
  }

  onStreamEnd(stream: PendingItem): void {
    if (this.pending.delete(stream)) this.liveness.onStreamEnd();
    this.closeIfRetired();
  }

  /** Ends all calls and streams, and the connection. */
  close(): void {
    if (this.hasClosed) return;
    this.hasClosed = true;
    for (const each of this.pending.all()) each.cancel();
    this.liveness.stop();
    this.channel.close();
  }

  /** Closes the connection after its calls have ended. Its streams end now, and are opened again on another connection. */
  retire(): void {
    this.isRetired = true;
    for (const each of this.pending.all()) each.retire();
    this.liveness.wakeWaiting();
    // The connection closes after this turn, so that a call that has just chosen it can still be made.
    this.clock.soon(() => this.closeIfRetired());
  }

  /** Makes requests that wait for `whenConfirmed` choose a connection again. */
  wakeWaiting(): void {
    this.liveness.wakeWaiting();
  }

  /**
   * Sends the server a health check. Any answer counts, also that there is no such service. A server that is slow with other
   * requests answers a health check at once.
   */
  probe(): void {
    const { liveness, pending } = this;
    if (!this.isUp) return liveness.onProbeEnd();
    const endProbe = () => {
      pending.delete(entry);
      liveness.onProbeEnd();
      if (this.isUp) liveness.onAnswer();
      this.closeIfRetired();
    };
    const call = this.channel.unary(check, { service: "" }, undefined, endProbe);
    const cancel = () => call.cancel();
    const entry: PendingItem = { ...unlisted, cancel, retire: cancel, check: () => undefined };
    pending.add(entry);
  }

  /** Checks all calls and streams that have not ended. */
  checkPending(): void {
    for (const each of this.pending.all()) each.check(this.isSilent, this.hasAlternative);
  }

  private readonly hasAlternative = (): boolean => this.owner.hasAlternative(this);

  private tooLateError(): EtcdError {
    const reason = this.isSilent ? "the server does not answer" : "no time was left";
    return new EtcdError(
      "deadline-exceeded",
      `Nothing was sent to ${this.endpoint}: ${reason}`,
      "failed",
      this.endpoint,
    );
  }

  private closeIfRetired(): void {
    if (this.isRetired && this.pending.isEmpty) this.close();
  }

  private onStateChange(): void {
    if (this.hasClosed) return;
    this.liveness.onConnectionChange(this.isUp);
    if (this.isUp) this.owner.onUp();
  }
}

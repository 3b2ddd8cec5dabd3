// A stream that is opened again, on another server if necessary, when it breaks.
import type { Connection } from "./connection.js";
import { AuthError, ConnectError, EtcdError } from "./errors.js";
import { type Endpoints, type Era, throwIfOver } from "./endpoints.js";
import { maxLogins, type Metadata } from "./login.js";
import type { CallLimits, StreamMethod } from "./methods.js";
import type { Stream, StreamEvents } from "./stream.js";
import { sleep } from "./wakeup.js";

/** Receives the events of a stream that is opened again when it breaks. */
export interface LastingStreamEvents<Response> {
  /** Called when the stream is open, for the first time or again: the server has no state of it yet. */
  onOpen(): void;
  onMessage(response: Response): void;
  /** No server can be reached. The stream keeps trying. */
  onUnreachable?(error: ConnectError): void;
  /** Called when the stream has ended and another attempt would end the same way. */
  onFailure(error: Error): void;
}

/**
 * Pauses before the stream is opened again: none after the first failure, then longer each time. A stream that lasts longer than
 * the longest pause resets them.
 */
const pauseMs = { first: 25, longest: 250 };

/** A stream that is kept open from `start()` to `stop()`: to one endpoint, or to the next when that endpoint fails. */
export class LastingStream<Request, Response> implements StreamEvents<Response> {
  private stream: Stream<Request, Response> | undefined;
  /** Aborted by `stop`; undefined before `start` and after `stop`. */
  private wanted: AbortController | undefined;
  /** Logins in a row after which the server still refused the token. */
  private logins = 0;
  /** Metadata of the login with which the stream was opened. */
  private used: Metadata | undefined;
  /** Called with the reason of the end of the stream. */
  private settleEnded: (error: Error) => void = () => undefined;

  constructor(
    private readonly endpoints: Endpoints,
    private readonly method: StreamMethod<Request, Response>,
    private readonly events: LastingStreamEvents<Response>,
  ) {}

  get isOpen(): boolean {
    return this.stream !== undefined;
  }

  start(): void {
    if (this.wanted !== undefined) return;
    this.wanted = new AbortController();
    void this.keepOpen(this.wanted);
  }

  /** Sends a request; does nothing while the stream is not open. */
  send(request: Request): void {
    this.stream?.send(request);
  }

  /** Ends the stream if the server has refused its token, so that it is opened again with another token. @returns whether it was ended */
  endIfRefused(error: AuthError): boolean {
    if (!this.mayLogIn(error)) return false;
    this.stream?.endStream(error);
    return true;
  }

  /** Opens the stream at another server, because this server does not work. */
  leaveServer(reason: string): void {
    this.stream?.breakOff(reason);
  }

  stop(): void {
    const { wanted, stream } = this;
    this.wanted = this.stream = undefined;
    wanted?.abort();
    stream?.breakOff("it is no longer needed");
  }

  private async keepOpen(wanted: AbortController): Promise<void> {
    let pause = 0;
    const { era } = this.endpoints;
    while (this.wanted === wanted) {
      const openedAt = this.endpoints.clock.now();
      const error = await this.openOnce(wanted, era);
      if (this.wanted !== wanted) return;
      if (this.mayLogIn(error)) this.logins += 1;
      else if (!mayPass(error)) {
        this.stop();
        this.events.onFailure(error);
        return;
      }
      if (error instanceof ConnectError) this.events.onUnreachable?.(error);
      if (this.endpoints.clock.now() - openedAt > pauseMs.longest) pause = 0;
      if (pause > 0) await sleep(this.endpoints.clock, pause, wanted.signal);
      pause = Math.min(Math.max(2 * pause, pauseMs.first), pauseMs.longest);
    }
  }

  /** Opens the stream once and waits for its end. @returns the reason of the end */
  private async openOnce(wanted: AbortController, era: Era): Promise<Error> {
    const limits = { deadline: Infinity, signal: wanted.signal };
    try {
      if (this.endpoints.settings.login !== undefined) await this.logIn(limits);
      const connection = await this.endpoints.whenConnected(limits);
      if (this.wanted !== wanted) return new Error("The stream is no longer needed");
      throwIfOver(era);
      const error = await this.whenEnded(connection);
      if (this.wanted === wanted && !(error instanceof AuthError)) this.endpoints.switchFrom(connection);
      return error;
    } catch (error) {
      return error as Error;
    }
  }

  /** Logs in. @throws EtcdError "unavailable" if the login fails and a later login may succeed */
  private async logIn(limits: CallLimits): Promise<void> {
    try {
      await this.endpoints.whenLoggedIn(limits);
    } catch (error) {
      if (!(error instanceof EtcdError && error.retryable) || error instanceof ConnectError) throw error;
      throw new EtcdError("unavailable", error.message, "failed", error.endpoint, { cause: error });
    }
  }

  private mayLogIn(error: Error): boolean {
    const { login } = this.endpoints.settings;
    return login !== undefined && this.logins < maxLogins && login.giveUp(this.used, error);
  }

  onMessage(response: Response): void {
    const { stream } = this;
    try {
      this.events.onMessage(response);
      if (stream !== undefined && this.stream === stream) this.logins = 0;
    } catch (error) {
      this.endAsUnusable(stream, error);
    }
  }

  onEnd(error: Error): void {
    this.stream = undefined;
    this.settleEnded(error);
  }

  private whenEnded(connection: Connection): Promise<Error> {
    return new Promise((resolve) => {
      this.settleEnded = resolve;
      this.used = this.endpoints.settings.login?.metadata;
      const stream = connection.open(this.method, this);
      this.stream = stream;
      try {
        this.events.onOpen();
      } catch (error) {
        this.endAsUnusable(stream, error);
      }
    });
  }

  /** Ends a stream with a message that cannot be decoded or encoded: it fails on every server. */
  private endAsUnusable(stream: Stream<Request, Response> | undefined, error: unknown): void {
    this.settleEnded(error as Error);
    stream?.breakOff("its messages cannot be used");
  }
}

/** Whether another server, or the same server later, may succeed. */
const mayPass = (error: Error): boolean =>
  error instanceof EtcdError &&
  (error.code === "unavailable" || (error.code === "cancelled" && error.endpoint !== undefined));

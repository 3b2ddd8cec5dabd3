// The answers to one request, which the caller takes one by one.
import type { Connection } from "./connection.js";
import type { Clock } from "./clock.js";
import { EtcdError, notSentError } from "./errors.js";
import { LeavableIterator } from "./leavable-iterator.js";
import { maxLogins, type Metadata } from "./login.js";
import type { CallLimits, StreamMethod } from "./methods.js";
import { onAbort } from "./on-abort.js";
import type { RequestOptions, TransportSettings } from "./options.js";
import { StreamFinishedError, type Stream, type StreamEvents } from "./stream.js";

/** The server of the request; `Endpoints` implements the interface. */
interface AnsweringServer {
  readonly clock: Clock;
  readonly settings: Pick<TransportSettings, "login" | "requestTimeoutMs">;
  whenLoggedIn(limits: CallLimits): Promise<void>;
  whenConnected(limits: CallLimits): Promise<Connection>;
  close(): void;
}

/** Maximum number of untaken answers; then the client stops reading from the server. */
const maxWaiting = 2;

/**
 * The answers of a server to one request. Flow control: the server waits while the caller takes no answer. The request is sent
 * with the first `takeAnswer`. If the token is refused before any answer, the client logs in again and repeats the request.
 */
export class AnswerSequence<Request, Response> implements StreamEvents<Response> {
  private readonly answers: Response[] = [];
  private stream: Stream<Request, Response> | undefined;
  private hasStarted = false;
  private hasAnswered = false;
  private logins = 0;
  private used: Metadata | undefined;
  /** The reason why no further answer comes. */
  private ending: Error | undefined;
  private wake: () => void = () => undefined;
  private stopTimer: () => void = () => undefined;
  private stopListening: () => void = () => undefined;

  /** @param server closed when the sequence ends */
  constructor(
    private readonly server: AnsweringServer,
    private readonly method: StreamMethod<Request, Response>,
    private readonly request: Request,
    private readonly options: RequestOptions,
  ) {}

  /** Iterates over the answers. */
  iterate(): AsyncGenerator<Response, void, void> {
    return new LeavableIterator(
      () => this.takeAnswer(),
      () => this.leave(),
    );
  }

  /** Takes the next answer; undefined when the server has ended the stream without an error. */
  private async takeAnswer(): Promise<Response | undefined> {
    if (!this.hasStarted) await this.start();
    while (this.answers.length === 0 && this.ending === undefined)
      await new Promise<void>((resolve) => (this.wake = resolve));
    const answer = this.answers.shift();
    if (this.answers.length < maxWaiting) this.stream?.resume();
    const { ending } = this;
    if (answer !== undefined || ending === undefined || ending instanceof StreamFinishedError) return answer;
    throw ending;
  }

  private async start(): Promise<void> {
    this.hasStarted = true;
    const { signal } = this.options;
    this.stopListening = onAbort(signal, () => this.endStream(notSentError(signal)));
    await this.open();
  }

  /** The timeout only applies to the first answer: later, keepalive detects a dead connection. */
  private async open(): Promise<void> {
    const { server, options } = this;
    const { timeoutMs = server.settings.requestTimeoutMs, signal } = options;
    const limits = { deadline: server.clock.now() + timeoutMs, signal };
    await server.whenLoggedIn(limits);
    this.used = server.settings.login?.metadata;
    const connection = await server.whenConnected(limits);
    if (this.ending !== undefined) return; // meanwhile, the caller has left the loop or aborted
    this.stopTimer = server.clock.after(limits.deadline - server.clock.now(), () =>
      this.endStream(new EtcdError("deadline-exceeded", "Deadline exceeded", "failed")),
    );
    this.send(connection);
  }

  private send(connection: Connection): void {
    const stream = connection.open(this.method, this);
    this.stream = stream;
    stream.send(this.request);
    stream.endRequests();
  }

  onMessage(answer: Response): void {
    this.hasAnswered = true;
    this.stopTimer();
    this.answers.push(answer);
    if (this.answers.length >= maxWaiting) this.stream?.pause();
    this.wake();
  }

  onEnd(error: EtcdError): void {
    this.stopTimer();
    this.stream = undefined;
    const { login } = this.server.settings;
    const mayLogIn = !this.hasAnswered && this.ending === undefined && this.logins < maxLogins;
    if (mayLogIn && login?.giveUp(this.used, error) === true) {
      this.logins++;
      this.open().catch((failure: unknown) => this.recordEnd(failure as Error));
    } else this.recordEnd(error);
  }

  /** Ends the stream, or the connecting before it, for this reason. */
  private endStream(error: EtcdError): void {
    if (this.stream === undefined) this.recordEnd(error);
    else this.stream.endStream(error);
  }

  private recordEnd(error: Error): void {
    this.ending ??= error;
    this.wake();
  }

  private leave(): void {
    this.stopListening();
    this.endStream(notSentError(undefined));
    this.server.close();
  }
}

// All endpoints of a cluster: sends requests to an endpoint that is up, and to another one when it stops answering.
import { AuthDefinition } from "../../proto/index.js";
import { AnswerSequence } from "./answer-sequence.js";
import type { Clock } from "./clock.js";
import { Connection, type ConnectionOwner } from "./connection.js";
import { type LoginServices, maxLogins, type PasswordCredentials } from "./login.js";
import { type CallLimits, type StreamMethod, type UnaryMethod, unaryMethod } from "./methods.js";
import { asError, ConnectError, EtcdError, mayTryAgain, notSentError, type RequestKind } from "./errors.js";
import type { RequestOptions, TransportSettings } from "./options.js";
import { onAbort } from "./on-abort.js";
import { type StreamEvents, StreamFinishedError } from "./stream.js";
import type { CallEnd, ReadTry } from "./unary-call.js";
import { sleep, Wakeup } from "./wakeup.js";

/** Maximum number of attempts of a request, as in etcd's Go client: enough for one to two seconds without a leader. */
const maxAttempts = 100;
/** Pause after every endpoint has been tried. */
const pauseMs = 25;

/** Marked as a read, so that another server is asked, too, when one is slow: a second token does no harm. */
const authenticateMethod = unaryMethod("read", AuthDefinition, AuthDefinition.methods.authenticate);

/** A resolved promise: `then` runs a callback in a microtask, in a fraction of the time of `queueMicrotask`. */
const settled = Promise.resolve();

/** A failed attempt of a request at one server. */
interface FailedTry {
  readonly connection: Connection;
  readonly error: unknown;
}

/** A period of the client. When it is over, `failure` is set, and all its requests end with that error. */
export interface Era {
  failure?: EtcdError;
}

/** Returns a response as it is. */
const returnUnchanged = (response: unknown): never => response as never;

/** The method, the request and the function that makes the result of a call; the call's own types are erased. */
interface CallContents {
  readonly method: UnaryMethod<unknown, unknown>;
  readonly request: unknown;
  readonly read: (response: unknown) => unknown;
}

/** Sends a request again after its first attempt has failed; `Endpoints` implements the interface. */
interface Retries {
  sendAgain(begun: BegunRequest, failed: FailedTry): void;
}

/** A request from the call of the client until its result: its limits, and the promise to settle. */
class BegunRequest implements CallLimits, CallEnd<unknown> {
  readonly method: UnaryMethod<unknown, unknown>;
  readonly request: unknown;
  /** Set when the request is sent. */
  deadline = 0;
  /** The connection of the first attempt. */
  connection: Connection | undefined = undefined;
  private readonly read: (response: unknown) => unknown;

  constructor(
    { method, request, read }: CallContents,
    readonly timeoutMs: number,
    readonly signal: AbortSignal | undefined,
    readonly era: Era,
    private readonly retries: Retries,
    private readonly resolve: (result: unknown) => void,
    private readonly reject: (error: Error) => void,
  ) {
    this.method = method;
    this.request = request;
    this.read = read;
  }

  onEnd(error: EtcdError | undefined, response: unknown): void {
    const { connection } = this;
    if (error !== undefined && connection !== undefined) return this.retries.sendAgain(this, { connection, error });
    try {
      this.resolve(this.read(response));
    } catch (failure) {
      this.fail(failure);
    }
  }

  fail(error: unknown): void {
    this.reject(asError(error));
  }

  /** Settles the request with the response of further attempts. */
  follow(response: Promise<unknown>): void {
    this.resolve(response.then(this.read));
  }
}

/** Chooses further servers for a read; `Endpoints` implements the interface. */
interface UsableServers {
  /** Returns the first connection that is up and whose server is not silent, except for these. */
  findUsable(except: readonly Connection[]): Connection | undefined;
}

/** The attempts of a read. */
class ReadTries<Request, Response> {
  /** The attempts in flight, oldest first; only the newest may start another. */
  private readonly tries = new Map<Connection, ReadAttempt>();
  private readonly failed = new Set<Connection>();

  /** @param resolve called with the first answer, or the last failure */
  constructor(
    private readonly servers: UsableServers,
    private readonly method: UnaryMethod<Request, Response>,
    private readonly request: Request,
    private readonly limits: CallLimits,
    private readonly resolve: (outcome: Promise<Response>) => void,
  ) {}

  start(connection: Connection): void {
    const attempt = new ReadAttempt(this, connection);
    this.tries.set(connection, attempt);
    const outcome = connection.call(this.method, this.request, this.limits, attempt);
    outcome.then(
      () => this.decide(connection, outcome, true),
      (error: unknown) => this.decide(connection, outcome, !(error instanceof EtcdError && mayTryAgain(error))),
    );
  }

  /** Starts another attempt if the newest one is slow. */
  onSlow(connection: Connection): void {
    const running = [...this.tries.keys()];
    if (running.at(-1) !== connection) return;
    const next = this.servers.findUsable([...running, ...this.failed]) ?? this.servers.findUsable(running);
    if (next !== undefined) this.start(next);
  }

  private decide(connection: Connection, outcome: Promise<Response>, isLast: boolean): void {
    this.tries.delete(connection);
    this.failed.add(connection);
    if (!isLast && this.tries.size > 0) return;
    for (const each of this.tries.values()) each.call?.cancel();
    this.resolve(outcome);
  }
}

/** An attempt of a read at one server. */
class ReadAttempt implements ReadTry {
  call: ReadTry["call"] = undefined;

  constructor(
    private readonly tries: { onSlow(connection: Connection): void },
    private readonly connection: Connection,
  ) {}

  onSlow(): void {
    this.tries.onSlow(this.connection);
  }
}

/** The answers of a stream that its server ends. */
class AnswerList<Response> implements StreamEvents<Response> {
  /** Resolves when the server has ended the stream without an error. */
  readonly whenComplete: Promise<readonly Response[]>;
  private readonly answers: Response[] = [];
  private resolve: (answers: readonly Response[]) => void = () => undefined;
  private reject: (error: EtcdError) => void = () => undefined;

  constructor() {
    this.whenComplete = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.whenComplete.catch(() => undefined); // nobody waits for it if the request cannot be sent
  }

  onMessage(answer: Response): void {
    this.answers.push(answer);
  }

  onEnd(error: EtcdError): void {
    if (error instanceof StreamFinishedError) this.resolve(this.answers);
    else this.reject(error);
  }
}

/**
 * The endpoints of a cluster. The client connects to all of them at the same time, so a dead endpoint delays nothing while
 * another is up. Requests go to one endpoint until it fails or becomes silent; then to the next that is up.
 */
export class Endpoints implements ConnectionOwner, LoginServices, Retries, UsableServers {
  private connections: readonly Connection[];
  /** Requests that wait for a connection. */
  private readonly waiting: Wakeup;
  private preferred = 0;
  private present: Era = {};
  private isClosed = false;
  /** Requests that were made in this turn of the event loop; they are sent at its end. */
  private begun: BegunRequest[] = [];
  /** The connections of requests to single endpoints, which are not shared with other requests. */
  private readonly singles = new Set<Endpoints>();

  /**
   * @param onClosed called by `close`
   * @throws TypeError if an endpoint is malformed
   */
  constructor(
    endpoints: readonly string[],
    readonly settings: TransportSettings,
    readonly clock: Clock,
    private readonly onClosed: () => void = () => undefined,
  ) {
    this.waiting = new Wakeup(clock);
    this.connections = endpoints.map((endpoint) => new Connection(endpoint, settings, clock, this));
  }

  /**
   * Calls a method on one endpoint, or on several, one after the other, if that is safe.
   *
   * @param read makes the result from the response
   * @throws EtcdError if the request does not succeed
   */
  call<Request, Response, Result = Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    { timeoutMs = this.settings.requestTimeoutMs, signal }: RequestOptions,
    read: (response: Response) => Result = returnUnchanged,
  ): Promise<Result> {
    const contents = { method, request, read } as CallContents;
    return new Promise<Result>((resolve, reject) => {
      const settle = resolve as (result: unknown) => void;
      // The request is not sent if the client is closed, or the signal aborted, in the same turn of the event loop.
      this.add(new BegunRequest(contents, timeoutMs, signal, this.era, this, settle, reject));
    });
  }

  private add(begun: BegunRequest): void {
    if (this.begun.push(begun) === 1) void settled.then(() => this.sendBegunRequests());
  }

  /** Sends the requests that were made since the last call; one microtask for all of them. */
  private sendBegunRequests(): void {
    const { begun } = this;
    this.begun = [];
    const now = this.clock.now();
    for (const each of begun) {
      each.deadline = now + each.timeoutMs;
      try {
        if (this.settings.login === undefined) this.sendFirst(each, now);
        else each.follow(this.withLogin(each, each.era, () => this.send(each.method, each.request, each, each.era)));
      } catch (error) {
        each.fail(error); // the request cannot be encoded
      }
    }
  }

  /** Sends a request for the first time. If it can be sent at once, no further promise and no timer are created. */
  private sendFirst(begun: BegunRequest, now: number): void {
    const { method, request, era } = begun;
    const isSingleTry = method.kind === "write" || this.connections.length === 1;
    const connection =
      isSingleTry && era.failure === undefined ? this.chooseAtOnce(method.kind, begun.signal) : undefined;
    if (connection === undefined) return begun.follow(this.send(method, request, begun, era));
    begun.connection = connection;
    connection.beginCall(method, request, begun, begun, undefined, now);
  }

  sendAgain(begun: BegunRequest, failed: FailedTry): void {
    begun.follow(this.send(begun.method, begun.request, begun, begun.era, failed));
  }

  /**
   * Sends a request with a token. If the token is refused, so that the request was not executed, logs in again and repeats the
   * request.
   */
  private async withLogin<Result>(limits: CallLimits, era: Era, send: () => Promise<Result>): Promise<Result> {
    const { login } = this.settings;
    if (login === undefined) return send();
    for (let logins = 1; ; logins++) {
      if (login.metadata === undefined) await login.whenReady(this, limits);
      throwIfOver(era);
      const used = login.metadata;
      try {
        return await send();
      } catch (error) {
        if (logins > maxLogins || !login.giveUp(used, error)) throw error;
      }
    }
  }

  /**
   * Logs in, unless there is a token already or the client has no credentials.
   *
   * @throws EtcdError if the login fails
   */
  async whenLoggedIn(limits: CallLimits): Promise<void> {
    const { login } = this.settings;
    if (login?.metadata === undefined) await login?.whenReady(this, limits);
  }

  /**
   * Logs in, also if there is a token already. Requests that begin meanwhile wait for the login.
   *
   * @throws EtcdError if the login fails, also because authentication is off
   * @throws TypeError without credentials
   */
  async logInAgain({ timeoutMs = this.settings.requestTimeoutMs, signal }: RequestOptions): Promise<void> {
    const { login } = this.settings;
    if (login === undefined) throw new TypeError("Cannot log in: the client was made without the option `auth`");
    if (this.isClosed || signal?.aborted) throw notSentError(signal);
    login.forget(login.metadata);
    await login.whenReady(this, { deadline: this.clock.now() + timeoutMs, signal });
    if (login.notEnabled !== undefined) throw login.notEnabled;
  }

  /**
   * Sends a request to one server, or to several, one after the other, if that is safe.
   *
   * @param failed an attempt that has failed already; absent: none
   */
  private async send<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    limits: CallLimits,
    era: Era,
    failed?: FailedTry,
  ): Promise<Response> {
    let attempt = 1;
    if (failed !== undefined) await this.afterFailure(failed, attempt++, limits);
    for (; ; attempt++) {
      const connection =
        this.chooseAtOnce(method.kind, limits.signal) ?? (await this.chooseConnection(method.kind, limits));
      throwIfOver(era);
      try {
        if (method.kind === "write" || this.connections.length === 1)
          return await connection.call(method, request, limits);
        return await this.read(connection, method, request, limits);
      } catch (error) {
        await this.afterFailure({ connection, error }, attempt, limits);
      }
    }
  }

  /** Waits before the next attempt of a request. @throws the error of the last attempt if there may be no other */
  private async afterFailure({ connection, error }: FailedTry, attempt: number, limits: CallLimits): Promise<void> {
    const { signal, deadline } = limits;
    if (!(error instanceof EtcdError)) throw error;
    if (error.code === "unavailable" || error.code === "deadline-exceeded" || isTimeOver(signal))
      this.switchFrom(connection);
    const pause = attempt % this.connections.length === 0 ? pauseMs : 0;
    if (!mayTryAgain(error) || attempt === maxAttempts || this.clock.now() + pause >= deadline) throw error;
    if (pause > 0) await sleep(this.clock, pause, signal);
  }

  /** Calls a method on a single endpoint, which need not be one of these. */
  async callAt<Request, Response>(
    endpoint: string,
    method: UnaryMethod<Request, Response>,
    request: Request,
    options: RequestOptions,
  ): Promise<Response> {
    const single = this.openSingle(endpoint);
    try {
      return await single.call(method, request, options);
    } finally {
      single.close();
    }
  }

  /**
   * Sends a request to a single endpoint, which need not be one of these, and returns an iterator over its answers. The server
   * waits while no answer is taken. `timeoutMs` limits the time until the first answer.
   */
  answersAt<Request, Response>(
    endpoint: string,
    method: StreamMethod<Request, Response>,
    request: Request,
    options: RequestOptions,
  ): AsyncGenerator<Response, void, void> {
    return new AnswerSequence(this.openSingle(endpoint), method, request, options).iterate();
  }

  /** Makes a separate connection. The caller closes it; `close` of these endpoints closes it, too. */
  private openSingle(endpoint: string): Endpoints {
    if (this.isClosed) throw notSentError(undefined);
    const single = new Endpoints([endpoint], this.settings, this.clock, () => this.singles.delete(single));
    this.singles.add(single);
    return single;
  }

  /**
   * Sends one request to one server, and returns its answers when the server has ended the stream without an error. If the token
   * is refused, also after some answers, the whole request is repeated after another login: for requests that only read.
   *
   * @throws EtcdError if the stream ends with an error
   */
  async answers<Request, Response>(
    method: StreamMethod<Request, Response>,
    request: Request,
    { timeoutMs = this.settings.requestTimeoutMs, signal }: RequestOptions,
  ): Promise<readonly Response[]> {
    const limits = { deadline: this.clock.now() + timeoutMs, signal };
    return this.withLogin(limits, this.era, () => this.answersOnce(method, request, limits));
  }

  private async answersOnce<Request, Response>(
    method: StreamMethod<Request, Response>,
    request: Request,
    limits: CallLimits,
  ): Promise<readonly Response[]> {
    const { signal } = limits;
    const connection = await this.whenConnected(limits);
    const answers = new AnswerList<Response>();
    const stream = connection.open(method, answers);
    const stopTimer = this.clock.after(limits.deadline - this.clock.now(), () =>
      stream.endStream(new EtcdError("deadline-exceeded", "Deadline exceeded", "failed")),
    );
    const stopListening = onAbort(signal, () => stream.endStream(notSentError(signal)));
    try {
      stream.send(request);
      stream.endRequests();
      return await answers.whenComplete;
    } finally {
      stopTimer();
      stopListening();
      stream.endStream(notSentError(undefined)); // a stream whose request could not be sent is still open
    }
  }

  /**
   * Replaces the endpoints. Endpoints in both lists keep their connections. Requests in flight at removed endpoints end there;
   * streams are opened again elsewhere.
   *
   * @throws TypeError if an endpoint is malformed; then nothing is changed
   */
  replace(endpoints: readonly string[]): void {
    if (this.isClosed) throw notSentError(undefined);
    const current = new Map(this.connections.map((each) => [addressOf(each.endpoint), each]));
    const preferred = this.connections[this.preferred];
    const connections = [...new Map(endpoints.map((each) => [addressOf(each), each]))].map(
      ([address, endpoint]) => current.get(address) ?? new Connection(endpoint, this.settings, this.clock, this),
    );
    const given = new Set(connections);
    const gone = this.connections.filter((each) => !given.has(each));
    this.connections = connections;
    this.preferred = Math.max(
      connections.findIndex((each) => each === preferred),
      0,
    );
    for (const each of connections) each.connect();
    for (const each of gone) each.retire();
  }

  /** The endpoints, in the spelling of the caller. */
  get list(): readonly string[] {
    return this.connections.map(({ endpoint }) => endpoint);
  }

  /** A connection has come up: wakes the requests that wait for one. */
  onUp(): void {
    this.waiting.wake();
    for (const each of this.connections) each.wakeWaiting();
  }

  /** The current era. */
  get era(): Era {
    return this.present;
  }

  /** Ends the requests that wait, and begins another era. */
  interrupt(error: EtcdError): void {
    this.present.failure = error;
    this.present = {};
    this.waiting.wake();
  }

  /** Whether a connection other than this one could be used. */
  hasAlternative(connection: Connection): boolean {
    return this.findUsable([connection]) !== undefined;
  }

  close(): void {
    this.isClosed = true;
    for (const connection of this.connections) connection.close();
    for (const single of this.singles) single.close();
    this.waiting.wake();
    this.onClosed();
  }

  /** The connection has failed: later requests prefer another one. */
  switchFrom(connection: Connection): void {
    if (this.connections[this.preferred] === connection)
      this.preferred = (this.preferred + 1) % this.connections.length;
  }

  /** Waits until a connection is up, at most for the dial timeout and the request's limits. */
  async whenConnected({ deadline, signal }: CallLimits): Promise<Connection> {
    const giveUpAt = Math.min(deadline, this.clock.now() + this.settings.dialTimeoutMs);
    const { era } = this;
    for (;;) {
      throwIfOver(era);
      if (this.isClosed || signal?.aborted) throw notSentError(signal);
      const connection = this.findUp();
      if (connection !== undefined) {
        this.preferred = this.connections.indexOf(connection);
        return connection;
      }
      if (this.clock.now() >= giveUpAt) throw new ConnectError(await this.reasons());
      for (const each of this.connections) each.connect();
      await this.waiting.wait(giveUpAt - this.clock.now(), signal);
    }
  }

  get timeoutMs(): number {
    return this.settings.requestTimeoutMs;
  }

  async authenticate({ user: name, password }: PasswordCredentials): Promise<string> {
    const limits = { deadline: this.clock.now() + this.timeoutMs, signal: undefined };
    return (await this.send(authenticateMethod, { name, password }, limits, this.era)).token;
  }

  /** Returns the connection for a request that need not wait; undefined: call `chooseConnection`, which waits, or throws the reason. */
  private chooseAtOnce(kind: RequestKind, signal: AbortSignal | undefined): Connection | undefined {
    if (this.isClosed || signal?.aborted) return undefined;
    const connection = this.findUp();
    if (connection === undefined) return undefined;
    if (kind !== "read" && this.connections.length > 1 && !connection.admitWrite()) return undefined;
    this.preferred = this.connections.indexOf(connection);
    return connection;
  }

  /**
   * Chooses the connection for a request. A write first waits for an answer of the server if many writes were sent since its last
   * answer, or if that answer was long ago: the outcome of a write that was sent to a silent server is unknown, but a write that
   * waits can still go to another server.
   */
  private async chooseConnection(kind: RequestKind, limits: CallLimits): Promise<Connection> {
    for (;;) {
      const connection = await this.whenConnected(limits);
      if (kind === "read" || this.connections.length === 1 || connection.admitWrite()) return connection;
      await connection.whenConfirmed(limits);
      if ((connection.isUp && !connection.isSilent) || this.clock.now() >= limits.deadline) return connection;
    }
  }

  /**
   * Sends a read to one server, and to another one as well if the first is slow: a server can be alive and unable to answer. The
   * first answer counts. If another server fails meanwhile, for example during an election, it is asked again.
   */
  private read<Request, Response>(
    first: Connection,
    method: UnaryMethod<Request, Response>,
    request: Request,
    limits: CallLimits,
  ): Promise<Response> {
    return new Promise((resolve) => {
      new ReadTries(this, method, request, limits, resolve).start(first);
    });
  }

  /**
   * Returns the first connection that is up, from the preferred one on; a connection with a silent server only if all servers are
   * silent.
   */
  private findUp(): Connection | undefined {
    const preferred = this.connections[this.preferred];
    if (preferred?.isUp === true && !preferred.isSilent) return preferred;
    return this.findUsable([]) ?? this.sortByPreference().find((connection) => connection.isUp);
  }

  findUsable(except: readonly Connection[]): Connection | undefined {
    return this.sortByPreference().find((each) => each.isUp && !each.isSilent && !except.includes(each));
  }

  private sortByPreference(): readonly Connection[] {
    const { connections, preferred } = this;
    return [...connections.slice(preferred), ...connections.slice(0, preferred)];
  }

  private async reasons(): Promise<Map<string, string>> {
    const reasons = this.connections.map(async (each): Promise<[string, string]> => [
      each.endpoint,
      await each.reason(),
    ]);
    return new Map(await Promise.all(reasons));
  }
}

/** Does nothing during an era. @throws EtcdError if the era is over */
export const throwIfOver = ({ failure }: Era): void => {
  if (failure !== undefined) throw failure;
};

/** Returns the endpoint without scheme and trailing slash, for comparisons: members list their addresses as http://host:port. */
const addressOf = (endpoint: string): string => endpoint.replace(/^http:\/\//, "").replace(/\/$/, "");

/** Whether a signal was aborted by `AbortSignal.timeout()`, directly or through `AbortSignal.any()`: such an abort is a deadline. */
const isTimeOver = (signal: AbortSignal | undefined): boolean => {
  const reason: unknown = signal?.reason;
  return reason instanceof DOMException && reason.name === "TimeoutError";
};

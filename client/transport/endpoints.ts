// All endpoints of a cluster as one: picks one that is up, and moves on when it stops answering.
import { AuthDefinition } from "../../proto/index.js";
import { AnswerSequence } from "./answer-sequence.js";
import type { Clock } from "./clock.js";
import { Connection, type ConnectionOwner } from "./connection.js";
import { type LoginServices, maxLogins } from "./login.js";
import { type CallLimits, type StreamMethod, type UnaryMethod, unaryMethod } from "./methods.js";
import { asError, ConnectError, EtcdError, mayTryAgain, notSentError, type RequestKind } from "./errors.js";
import type { RequestOptions, Settings } from "./options.js";
import { onAbort } from "./on-abort.js";
import { StreamFinishedError } from "./stream.js";
import type { CallEnd, ReadTry } from "./unary-call.js";
import { sleep, Wakeup } from "./wakeup.js";

/** The bound of etcd's Go client: enough for a second or two without a leader. */
const maxAttempts = 100;
/** Pause after every endpoint has been tried. */
const pauseMs = 25;

/** Asked elsewhere, too, when a server is slow: a second token does no harm. */
const authenticateMethod = unaryMethod("read", AuthDefinition, AuthDefinition.methods.authenticate);

/** Runs callbacks in microtasks at a fraction of the time of `queueMicrotask`. */
const settled = Promise.resolve();

/** A try of a request at one server that has failed. */
interface FailedTry {
  readonly connection: Connection;
  readonly error: unknown;
}

/** A time whose requests end together; `failure`: it is over. */
export interface Era {
  failure?: EtcdError;
}

/** Returns a response as it is. */
const returnUnchanged = (response: unknown): never => response as never;

/** The method and the message of a call, and what makes its result; the types are those of the call. */
interface CallContents {
  readonly method: UnaryMethod<unknown, unknown>;
  readonly request: unknown;
  readonly read: (response: unknown) => unknown;
}

/** Sends a request further times after its first try has failed; `Endpoints` implements it. */
interface Retries {
  sendAgain(begun: BegunRequest, failed: FailedTry): void;
}

/** A request from its making to its result: its bounds, and the promise that it settles. */
class BegunRequest implements CallLimits, CallEnd<unknown> {
  readonly method: UnaryMethod<unknown, unknown>;
  readonly request: unknown;
  /** Set as the request is sent. */
  deadline = 0;
  /** The connection of the first try. */
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

  /** Has the response of further tries settle the request. */
  follow(response: Promise<unknown>): void {
    this.resolve(response.then(this.read));
  }
}

/**
 * All endpoints are connected to at the same time, so one that is dead costs nothing while another is up. Requests go to
 * one of them until it fails or falls silent; then to the next that is up.
 */
export class Endpoints implements ConnectionOwner, Retries {
  private connections: readonly Connection[];
  /** Requests that wait for a connection. */
  private readonly waiting: Wakeup;
  private preferred = 0;
  private present: Era = {};
  private closed = false;
  /** Requests made in this turn; they are sent at its end. */
  private begun: BegunRequest[] = [];
  /** Connections of their own for requests to single endpoints. */
  private readonly singles = new Set<Endpoints>();

  /**
   * @param onClosed called by `close`
   * @throws TypeError if one is not an endpoint
   */
  constructor(
    endpoints: readonly string[],
    readonly settings: Settings,
    readonly clock: Clock,
    private readonly onClosed: () => void = () => undefined,
  ) {
    this.waiting = new Wakeup(clock);
    this.connections = endpoints.map((endpoint) => new Connection(endpoint, settings, clock, this));
  }

  /**
   * Calls a method on one endpoint, or on several in turn where that is safe.
   *
   * @param read makes the result of the response
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
      // Nothing is sent if the client is closed, or the signal raised, in the turn in which the request was made.
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

  /** Sends a request for the first time; one that has to wait for nothing costs no further promise, and no timer of its own. */
  private sendFirst(begun: BegunRequest, now: number): void {
    const { method, request, era } = begun;
    const isSingleTry = method.kind === "write" || this.connections.length === 1;
    const connection = isSingleTry && era.failure === undefined ? this.free(method.kind, begun.signal) : undefined;
    if (connection === undefined) return begun.follow(this.send(method, request, begun, era));
    begun.connection = connection;
    connection.begin(method, request, begun, begun, undefined, now);
  }

  sendAgain(begun: BegunRequest, failed: FailedTry): void {
    begun.follow(this.send(begun.method, begun.request, begun, begun.era, failed));
  }

  /** Sends a request with the token of a login, and again with that of another one if the token is refused: then nothing was done. */
  private async withLogin<Result>(limits: CallLimits, era: Era, send: () => Promise<Result>): Promise<Result> {
    const { login } = this.settings;
    if (login === undefined) return send();
    for (let logins = 1; ; logins++) {
      if (login.metadata === undefined) await login.ready(this.loginServices, limits);
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
   * Logs in, unless that is done or the client has no credentials.
   *
   * @throws EtcdError if the login fails
   */
  async whenLoggedIn(limits: CallLimits): Promise<void> {
    const { login } = this.settings;
    if (login?.metadata === undefined) await login?.ready(this.loginServices, limits);
  }

  /**
   * Logs in, whether that is done or not. Requests that begin meanwhile wait for it.
   *
   * @throws EtcdError if the login fails, also if the cluster has no authentication
   * @throws TypeError without credentials
   */
  async logInAgain({ timeoutMs = this.settings.requestTimeoutMs, signal }: RequestOptions): Promise<void> {
    const { login } = this.settings;
    if (login === undefined) throw new TypeError("Cannot log in: the client was made without the option `auth`");
    if (this.closed || signal?.aborted) throw notSentError(signal);
    login.forget(login.metadata);
    await login.ready(this.loginServices, { deadline: this.clock.now() + timeoutMs, signal });
    if (login.notEnabled !== undefined) throw login.notEnabled;
  }

  /**
   * Sends a request to one server, or to several in turn where that is safe.
   *
   * @param failed a try that has failed; absent: there was none
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
      const connection = this.free(method.kind, limits.signal) ?? (await this.chooseConnection(method.kind, limits));
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

  /** Waits until a request may be tried again. @throws the error of its last try if it may not */
  private async afterFailure({ connection, error }: FailedTry, attempt: number, limits: CallLimits): Promise<void> {
    const { signal, deadline } = limits;
    if (!(error instanceof EtcdError)) throw error;
    if (error.code === "unavailable" || error.code === "deadline-exceeded" || isTimeOver(signal))
      this.switchFrom(connection);
    const pause = attempt % this.connections.length === 0 ? pauseMs : 0;
    if (!mayTryAgain(error) || attempt === maxAttempts || this.clock.now() + pause >= deadline) throw error;
    if (pause > 0) await sleep(this.clock, pause, signal);
  }

  /** The same for a single endpoint, which need not be one of these. */
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
   * Asks a single endpoint, which need not be one of these, and returns an iterator over its answers. They are read no faster than they
   * are taken. `timeoutMs` is the time until the first one.
   */
  answersAt<Request, Response>(
    endpoint: string,
    method: StreamMethod<Request, Response>,
    request: Request,
    options: RequestOptions,
  ): AsyncGenerator<Response, void, void> {
    return new AnswerSequence(this.openSingle(endpoint), method, request, options).iterate();
  }

  /** Makes a connection of its own, which the caller closes; it is closed with these endpoints at the latest. */
  private openSingle(endpoint: string): Endpoints {
    if (this.closed) throw notSentError(undefined);
    const single = new Endpoints([endpoint], this.settings, this.clock, () => this.singles.delete(single));
    this.singles.add(single);
    return single;
  }

  /**
   * Sends one request to one server, and returns its answers once the server has ended the stream in good order. If the token is
   * refused, also after some answers, all of it is done again after another login: for requests that only read.
   *
   * @throws EtcdError if the stream ends otherwise
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
    const answers: Response[] = [];
    return new Promise((resolve, reject) => {
      const onDeadline = () => stream.end(new EtcdError("deadline-exceeded", "Deadline exceeded", "failed"));
      const stopTimer = this.clock.after(limits.deadline - this.clock.now(), onDeadline);
      let stopListening = (): void => undefined;
      const onEnd = (error: EtcdError) => {
        stopTimer();
        stopListening();
        if (error instanceof StreamFinishedError) resolve(answers);
        else reject(error);
      };
      const stream = connection.open(method, { onMessage: (answer) => void answers.push(answer), onEnd });
      stopListening = onAbort(signal, () => stream.end(notSentError(signal)));
      stream.send(request);
      stream.finish();
    });
  }

  /**
   * Replaces the endpoints. Those that stay keep their connections; requests on the others end there, and streams go elsewhere.
   *
   * @throws TypeError if one is not an endpoint; then nothing has changed
   */
  replace(endpoints: readonly string[]): void {
    if (this.closed) throw notSentError(undefined);
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

  /** The endpoints, as they were given. */
  get list(): readonly string[] {
    return this.connections.map(({ endpoint }) => endpoint);
  }

  /** Wakes the requests that wait: a connection has come up. */
  onUp(): void {
    this.waiting.wake();
    for (const each of this.connections) each.reconsider();
  }

  /** The requests that begin now. */
  get era(): Era {
    return this.present;
  }

  /** Ends the requests that wait, and begins another era. */
  interrupt(error: EtcdError): void {
    this.present.failure = error;
    this.present = {};
    this.waiting.wake();
  }

  /** Tells whether a connection other than this one could be used. */
  hasAlternative(connection: Connection): boolean {
    return this.findUsable([connection]) !== undefined;
  }

  close(): void {
    this.closed = true;
    for (const connection of this.connections) connection.close();
    for (const single of this.singles) single.close();
    this.waiting.wake();
    this.onClosed();
  }

  /** The connection has failed: what comes next goes elsewhere. */
  switchFrom(connection: Connection): void {
    if (this.connections[this.preferred] === connection)
      this.preferred = (this.preferred + 1) % this.connections.length;
  }

  /** Waits until a connection is up, but neither beyond the dial timeout nor beyond the request's limits. */
  async whenConnected({ deadline, signal }: CallLimits): Promise<Connection> {
    const giveUpAt = Math.min(deadline, this.clock.now() + this.settings.dialTimeoutMs);
    const { era } = this;
    for (;;) {
      throwIfOver(era);
      if (this.closed || signal?.aborted) throw notSentError(signal);
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

  private get loginServices(): LoginServices {
    const { clock, settings } = this;
    const { requestTimeoutMs: timeoutMs } = settings;
    const authenticate: LoginServices["authenticate"] = async ({ user: name, password }) => {
      const limits = { deadline: clock.now() + timeoutMs, signal: undefined };
      return (await this.send(authenticateMethod, { name, password }, limits, this.era)).token;
    };
    return { clock, timeoutMs, authenticate };
  }

  /** The connection for a request that has to wait for nothing; undefined: `chooseConnection` waits, or says why there is none. */
  private free(kind: RequestKind, signal: AbortSignal | undefined): Connection | undefined {
    if (this.closed || signal?.aborted) return undefined;
    const connection = this.findUp();
    if (connection === undefined) return undefined;
    if (kind !== "read" && this.connections.length > 1 && !connection.admitWrite()) return undefined;
    this.preferred = this.connections.indexOf(connection);
    return connection;
  }

  /**
   * The connection for a request. A write waits for an answer of the server if many were sent since the last one, or the last one was
   * long ago: a write that a silent server may have is neither made nor not made, one that was held back goes elsewhere.
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
   * Asks one server, and another as well when that one is slow: it may be alive and still not be able to answer. Whoever
   * answers first has answered. If another one fails meanwhile, as while a leader is elected, it is asked again.
   */
  private read<Request, Response>(
    first: Connection,
    method: UnaryMethod<Request, Response>,
    request: Request,
    limits: CallLimits,
  ): Promise<Response> {
    return new Promise((resolve) => {
      /** The tries that are under way, oldest first; only the newest may have a successor. */
      const tries = new Map<Connection, ReadTry>();
      const failed = new Set<Connection>();
      const start = (connection: Connection) => {
        const onSlow = () => {
          const running = [...tries.keys()];
          if (running.at(-1) !== connection) return;
          const next = this.findUsable([...running, ...failed]) ?? this.findUsable(running);
          if (next !== undefined) start(next);
        };
        const one: ReadTry = { onSlow, cancel: () => undefined };
        tries.set(connection, one);
        const outcome = connection.call(method, request, limits, one);
        const decide = (isLast: boolean) => {
          tries.delete(connection);
          failed.add(connection);
          if (!isLast && tries.size > 0) return;
          for (const each of tries.values()) each.cancel();
          resolve(outcome);
        };
        outcome.then(
          () => decide(true),
          (error: unknown) => decide(!(error instanceof EtcdError && mayTryAgain(error))),
        );
      };
      start(first);
    });
  }

  /** The first connection that is up, from the preferred one on; one whose server has fallen silent only if all have. */
  private findUp(): Connection | undefined {
    const preferred = this.connections[this.preferred];
    if (preferred?.isUp === true && !preferred.isSilent) return preferred;
    return this.findUsable([]) ?? this.sortByPreference().find((connection) => connection.isUp);
  }

  /** The first that is up and answers, except for these. */
  private findUsable(except: readonly Connection[]): Connection | undefined {
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

/** @throws EtcdError if an era is over */
export const throwIfOver = ({ failure }: Era): void => {
  if (failure !== undefined) throw failure;
};

/** The endpoint in one of its spellings: members list themselves as http://host:port. */
const addressOf = (endpoint: string): string => endpoint.replace(/^http:\/\//, "").replace(/\/$/, "");

/** Whether a signal of `AbortSignal.timeout()` is raised, alone or among others: a deadline, too. */
const isTimeOver = (signal: AbortSignal | undefined): boolean => {
  const reason: unknown = signal?.reason;
  return reason instanceof DOMException && reason.name === "TimeoutError";
};

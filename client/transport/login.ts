// The login of a client: its credentials, and the token that a server has given for them.
import type { Clock } from "./clock.js";
import { AuthError, EtcdError, notSentError } from "./errors.js";
import type { CallLimits } from "./methods.js";
import { Wakeup } from "./wakeup.js";

/** A user and the password. */
export interface PasswordCredentials {
  readonly user: string;
  readonly password: string;
}

/** A token that was issued elsewhere, such as a JWT. */
export interface TokenCredentials {
  readonly token: string;
}

/** The credentials of a client. */
export type Credentials = PasswordCredentials | TokenCredentials;

/** Credentials, or a function that returns them and is called for each login. */
export type CredentialsSource = Credentials | (() => Credentials | Promise<Credentials>);

/** Metadata of a call. */
export type Metadata = Readonly<Record<string, string>>;

/** Asks a server for a token. */
export type Authenticate = (credentials: PasswordCredentials) => Promise<string>;

/** The parts of a client that a login uses. */
export interface LoginServices {
  readonly clock: Clock;
  /** Limit of the wait for credentials. */
  readonly timeoutMs: number;
  readonly authenticate: Authenticate;
}

/**
 * Bounds the logins for one request, or for one stream in a row: beyond it the server's refusal is the request's error. More than one,
 * as a change of users or roles between a login and the request makes some tokens invalid again.
 */
export const maxLogins = 3;

/** A login that is under way; all requests wait for the same. */
interface Attempt {
  readonly ended: Wakeup;
  isOver: boolean;
  failure: EtcdError | undefined;
}

/** Cluster without authentication: requests need no token, nor would one be given. */
const noToken: Metadata = {};

/**
 * Example: ten requests are made at once. The first begins a login, nine wait for it, then all carry its token. Five minutes later
 * the server refuses it: the first refused request gives it up and begins another login, the others wait for that or find it done.
 */
export class Login {
  // Private to the engine, too: `inspect` shows neither password nor token.
  readonly #source: CredentialsSource;
  #metadata: Metadata | undefined;
  private attempt: Attempt | undefined;
  private refusal: AuthError | undefined;

  constructor(source: CredentialsSource) {
    this.#source = source;
  }

  /** The metadata to send with a request; undefined: log in first. */
  get metadata(): Metadata | undefined {
    return this.#metadata;
  }

  /** The answer of the last login, if it was that the cluster has no authentication: requests then go without token. */
  get notEnabled(): AuthError | undefined {
    return this.refusal;
  }

  /**
   * Logs in unless that is done; waits if it is under way.
   *
   * @throws EtcdError if the login fails: for all who wait for it; or if the limits are reached first: for this one
   */
  async ready(services: LoginServices, { deadline, signal }: CallLimits): Promise<void> {
    const { clock } = services;
    while (this.#metadata === undefined) {
      const isOwn = this.attempt === undefined;
      const attempt = (this.attempt ??= this.begin(services));
      await attempt.ended.wait(deadline - clock.now(), signal);
      if (signal?.aborted) throw notSentError(signal);
      if (!attempt.isOver) throw new EtcdError("deadline-exceeded", "Cannot log in: the deadline has passed", "failed");
      const { failure } = attempt;
      // One that was given up says nothing about the others: each tries for itself.
      if (failure !== undefined && (isOwn || failure.code !== "cancelled")) throw failure;
    }
  }

  /**
   * Gives up a token that a server has refused.
   *
   * @param used the metadata that the refused request has carried
   * @returns whether the request may succeed after another login
   */
  giveUp(used: Metadata | undefined, error: unknown): boolean {
    if (!(error instanceof AuthError)) return false;
    // A server that was sent a token and misses a user's name means one in the request. A request that was sent again after its token
    // was given up may have gone without one.
    const mayLackToken = used?.["token"] === undefined || used !== this.#metadata;
    const isStale = error.reason === "invalid-token" || (error.reason === "no-user" && mayLackToken);
    if (!isStale || this.isFixed) return false;
    this.forget(used);
    return true;
  }

  /** Has the next request log in, unless the token in use is another one than this. */
  forget(used: Metadata | undefined): void {
    if (this.#metadata === used) this.#metadata = undefined;
  }

  /** Whether another login would give the same token. */
  private get isFixed(): boolean {
    return typeof this.#source !== "function" && "token" in this.#source;
  }

  private begin(services: LoginServices): Attempt {
    const attempt: Attempt = { ended: new Wakeup(services.clock), isOver: false, failure: undefined };
    const end = (failure?: EtcdError) => {
      attempt.failure = failure;
      attempt.isOver = true;
      this.attempt = undefined;
      attempt.ended.wake();
    };
    this.logIn(services).then(
      () => end(),
      (error: unknown) => end(asEtcdError(error)),
    );
    return attempt;
  }

  private async logIn(services: LoginServices): Promise<void> {
    const credentials = checkCredentials(await this.credentials(services));
    this.refusal = undefined;
    if ("token" in credentials) this.#metadata = { token: credentials.token };
    else this.#metadata = await this.tokenFor(credentials, services);
  }

  private async tokenFor(credentials: PasswordCredentials, { authenticate }: LoginServices): Promise<Metadata> {
    try {
      return { token: await authenticate(credentials) };
    } catch (error) {
      if (!(error instanceof AuthError && error.reason === "not-enabled")) throw error;
      this.refusal = error;
      return noToken; // as etcd's Go client: a program may know its user before authentication is switched on
    }
  }

  private async credentials({ clock, timeoutMs }: LoginServices): Promise<Credentials> {
    const source = this.#source;
    if (typeof source !== "function") return source;
    let stopTimer: () => void = () => undefined;
    const late = new Promise<never>((_, reject) => {
      const reason = `Cannot log in: there were no credentials within ${timeoutMs} ms`;
      stopTimer = clock.after(timeoutMs, () => reject(new EtcdError("deadline-exceeded", reason, "failed")));
    });
    try {
      return await Promise.race([source(), late]);
    } finally {
      stopTimer();
    }
  }
}

const asEtcdError = (error: unknown): EtcdError =>
  error instanceof EtcdError
    ? error
    : new EtcdError(
        "unauthenticated",
        "Cannot log in: the client's option `auth` gave no credentials",
        "failed",
        undefined,
        {
          cause: error,
        },
      );

/**
 * Checks the shape of credentials. Errors name no value: one may be a password.
 *
 * @throws TypeError if they are neither a user with a password nor a token
 */
export function checkCredentials(given: Credentials): Credentials {
  const refuse = (reason: string): never => {
    throw new TypeError(`Cannot log in: ${reason}`);
  };
  if (typeof given !== "object" || (given as unknown) === null)
    return refuse("auth must be { user, password }, { token }, or a function that gives one of them");
  const fields: Readonly<Record<string, unknown>> = { ...given };
  const names = "token" in given ? ["token"] : ["user", "password"];
  const unknown = Object.keys(fields).find((name) => !names.includes(name));
  if (unknown !== undefined) return refuse(`auth is { user, password } or { token }, without "${unknown}"`);
  for (const name of names) if (typeof fields[name] !== "string") return refuse(`auth.${name} must be text`);
  if (fields[names[0] ?? ""] === "") return refuse(`auth.${names[0]} is empty`);
  return given;
}

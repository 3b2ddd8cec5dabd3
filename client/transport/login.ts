// The login of a client: its credentials, and the token that a server has issued for them.
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

/** The parts of a client that a login uses; `Endpoints` implements it. */
export interface LoginServices {
  readonly clock: Clock;
  /** Limit of the wait for credentials, and of `authenticate`. */
  readonly timeoutMs: number;
  /** Requests a token. */
  authenticate(credentials: PasswordCredentials): Promise<string>;
}

/**
 * Maximum number of logins for one request, or of successive logins for one stream; then the server's refusal is the error. More
 * than one, because a change of users or roles between a login and the request makes some tokens invalid.
 */
export const maxLogins = 3;

/** A login in flight; all requests wait for it. */
interface Attempt {
  readonly ended: Wakeup;
  isOver: boolean;
  failure: EtcdError | undefined;
}

/** The metadata while authentication is off: requests need no token, and the server issues none. */
const noToken: Metadata = {};

/**
 * Logs in, and keeps the token. Example: ten requests are made at once. The first begins a login, nine wait for it, then all
 * carry its token. Five minutes later the server refuses the token: the first refused request discards it and begins another
 * login; the other requests wait for that login, or use its token if it has ended.
 */
export class Login {
  // A `#` field, so that `inspect` shows neither password nor token.
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

  /** The error of the last login, if authentication is off: requests then carry no token. */
  get notEnabled(): AuthError | undefined {
    return this.refusal;
  }

  /**
   * Logs in, unless there is a token; waits for a login in flight.
   *
   * @throws EtcdError if the login fails, in all calls that wait for it; or if the limits are reached first, in this call only
   */
  async whenReady(services: LoginServices, { deadline, signal }: CallLimits): Promise<void> {
    const { clock } = services;
    while (this.#metadata === undefined) {
      const isOwn = this.attempt === undefined;
      const attempt = (this.attempt ??= this.beginAttempt(services));
      await attempt.ended.wait(deadline - clock.now(), signal);
      if (signal?.aborted) throw notSentError(signal);
      if (!attempt.isOver) throw new EtcdError("deadline-exceeded", "Cannot log in: the deadline has passed", "failed");
      const { failure } = attempt;
      // If the call that began the login gave it up, the others are not affected: each tries again.
      if (failure !== undefined && (isOwn || failure.code !== "cancelled")) throw failure;
    }
  }

  /**
   * Discards a token that a server has refused.
   *
   * @param used the metadata of the refused request
   * @returns whether the request may succeed after another login
   */
  giveUp(used: Metadata | undefined, error: unknown): boolean {
    if (!(error instanceof AuthError)) return false;
    // The server also reports a missing user name if the request itself lacks one. Only a request without a token, or with an
    // older one, can lack the user of a token.
    const mayLackToken = used?.["token"] === undefined || used !== this.#metadata;
    const isStale = error.reason === "invalid-token" || (error.reason === "no-user" && mayLackToken);
    if (!isStale || this.isFixed) return false;
    this.forget(used);
    return true;
  }

  /** Makes the next request log in, unless the current token is another one. */
  forget(used: Metadata | undefined): void {
    if (this.#metadata === used) this.#metadata = undefined;
  }

  /** Whether another login would result in the same token. */
  private get isFixed(): boolean {
    return typeof this.#source !== "function" && "token" in this.#source;
  }

  private beginAttempt(services: LoginServices): Attempt {
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

  private async tokenFor(credentials: PasswordCredentials, services: LoginServices): Promise<Metadata> {
    try {
      return { token: await services.authenticate(credentials) };
    } catch (error) {
      if (!(error instanceof AuthError && error.reason === "not-enabled")) throw error;
      this.refusal = error;
      return noToken; // as in etcd's Go client: a program may be configured with a user before authentication is turned on
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
 * Checks the shape of credentials. Errors contain no values: a value may be a password.
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

import type { ProposalUser } from "../../proto/index.js";
import { type AuthState, type Identity, indexOfToken, Rights, type TokenSource } from "../auth/index.js";
import { type Caller, type ResultHandler, ServerError } from "../base/index.js";
import type { Applier } from "../replication/apply/index.js";
import type { Reads } from "../replication/index.js";

/** The components that authenticate callers and hold their permissions. */
export interface AccessParts {
  readonly applier: Pick<Applier, "auth" | "appliedIndex" | "addAuthListener">;
  readonly tokens: TokenSource;
  readonly reads: Pick<Reads, "startRead">;
}

type ErrorHandler = Pick<ResultHandler<never>, "onError">;

/** Authenticates callers and checks their rights at the state that this member has applied. */
export class Access {
  constructor(private readonly parts: AccessParts) {}

  /** Whether authentication is on. */
  get isOn(): boolean {
    return this.parts.applier.auth.isEnabled;
  }

  /** The users, roles and permissions that this member has applied. */
  get auth(): AuthState {
    return this.parts.applier.auth;
  }

  /** Registers a callback that runs after each change of users, roles or permissions, before the next entry is applied. */
  addChangeListener(callback: () => void): void {
    this.parts.applier.addAuthListener(callback);
  }

  /**
   * Authenticates a caller: by a token in its metadata, else by its certificate.
   *
   * @returns undefined: the caller has no token and no certificate
   * @throws ServerError `invalid-auth-token`, `auth-revision-old`; the errors of a linearizable read
   */
  identify(caller: Caller): Identity | undefined | Promise<Identity | undefined> {
    const text = caller.metadata("token") ?? caller.metadata("authorization");
    if (text === undefined) return this.identifyByCertificate(caller);
    const token = text.startsWith(bearer) ? text.slice(bearer.length) : text;
    const { tokens, applier } = this.parts;
    const identity = tokens.verify(token, applier.auth.revision);
    if (identity instanceof Promise) return identity.then((verified) => this.waitWhileAhead(requireIdentity(verified)));
    if (identity !== undefined) return this.waitWhileAhead(identity);
    // Another member may have issued the token, and this one has not applied that login yet.
    if ((indexOfToken(token) ?? 0) <= applier.appliedIndex) throw invalidToken();
    return this.whenCaughtUp()
      .then(() => tokens.verify(token, applier.auth.revision))
      .then((verified) => this.waitWhileAhead(requireIdentity(verified)));
  }

  /**
   * Waits until this member has applied the auth revision of a token, which another member may have applied earlier. If the
   * revision is still ahead after a linearizable read, the token was issued before a backup was restored, or by another cluster
   * with the same key.
   */
  private waitWhileAhead(identity: Identity): Identity | Promise<Identity> {
    if (identity.revision <= this.auth.revision) return identity;
    return this.whenCaughtUp().then(() => {
      const { revision } = this.auth;
      if (identity.revision <= revision) return identity;
      throw new ServerError("auth-revision-old", `issued at auth revision ${identity.revision}, it is ${revision} now`);
    });
  }

  /**
   * Calls `run` if the caller has the rights that `check` asks for: at once, or once the caller is authenticated. Later errors
   * go to `errorHandler`. Nothing is applied between `check` and `run`.
   *
   * @throws ServerError if the caller is refused at once
   */
  runIfAllowed(caller: Caller, check: (rights: Rights) => void, run: () => void, errorHandler: ErrorHandler): void {
    if (!this.isOn) return run();
    this.runWithIdentity(
      caller,
      (identity) => {
        if (this.isOn) check(new Rights(this.auth, identity));
        run();
      },
      errorHandler,
    );
  }

  /**
   * Calls `run` with the user for whom the caller's changes are proposed: at once, or once the caller is authenticated. Later
   * errors go to `errorHandler`. Called only while `isOn`.
   *
   * @throws ServerError as `identify`; `user-name-empty` if the caller has no token and no certificate
   */
  runWithUser(caller: Caller, run: (user: ProposalUser) => void, errorHandler: ErrorHandler): void {
    this.runWithIdentity(caller, (identity) => run(new Rights(this.auth, identity).checkUser()), errorHandler);
  }

  /** Calls `run` with the identity of a caller, at once or later; later errors go to `errorHandler`. Throws as `identify`. */
  runWithIdentity(caller: Caller, run: (identity: Identity | undefined) => void, errorHandler: ErrorHandler): void {
    const identity = this.identify(caller);
    if (identity instanceof Promise) identity.then(run).catch((error: unknown) => errorHandler.onError(error));
    else run(identity);
  }

  /** Returns the name of a caller's user if no wait is needed for it, else undefined. */
  userOf(caller: Caller): string | undefined {
    if (!this.isOn) return undefined;
    try {
      const identity = this.identify(caller);
      if (!(identity instanceof Promise)) return identity?.name;
      identity.catch(() => undefined); // the request itself reports the error
      return undefined;
    } catch (error) {
      if (error instanceof ServerError) return undefined;
      throw error;
    }
  }

  private identifyByCertificate({ certificateName: name }: Caller): Identity | undefined {
    return name === undefined ? undefined : { name, revision: this.auth.revision };
  }

  /** Resolves once this member has applied all entries that were committed before the call. */
  private whenCaughtUp(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.parts.reads.startRead({ dueSweep: 0, onReady: resolve, onError: reject });
    });
  }
}

const bearer = "Bearer ";

const invalidToken = (): ServerError => new ServerError("invalid-auth-token", "the token is unknown or has expired");

const requireIdentity = (identity: Identity | undefined): Identity => {
  if (identity === undefined) throw invalidToken();
  return identity;
};

/** Returns the user for whom a client's command is proposed, if members propose commands of this kind, too. */
export const clientUser = ({ user }: Caller, auth: AuthState): ProposalUser =>
  user ?? { name: "", revision: auth.revision };

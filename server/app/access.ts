import type { ProposalUser } from "../../proto/index.js";
import { type AuthState, type Identity, indexOfToken, Rights, type TokenSource } from "../auth/index.js";
import { type Caller, type ResultHandler, ServerError } from "../base/index.js";
import type { Applier } from "../replication/apply/index.js";
import type { Reads } from "../replication/index.js";

/** The parts of a member that authenticate callers and know their rights. */
export interface AccessParts {
  readonly applier: Pick<Applier, "auth" | "appliedIndex" | "whenAuthChanges">;
  readonly tokens: TokenSource;
  readonly reads: Pick<Reads, "whenLinearizable">;
}

type Failing = Pick<ResultHandler<never>, "onError">;

/** Finds out who callers are, and checks their rights at the state that this member has applied. */
export class Access {
  constructor(private readonly parts: AccessParts) {}

  /** Tells whether callers have to be users. */
  get isOn(): boolean {
    return this.parts.applier.auth.isEnabled;
  }

  /** Users, roles and permissions, as they were applied here. */
  get auth(): AuthState {
    return this.parts.applier.auth;
  }

  /** Calls back after each change of users, roles or permissions, before anything else is applied. */
  whenChanged(callback: () => void): void {
    this.parts.applier.whenAuthChanges(callback);
  }

  /**
   * Finds the user of a caller: by a token in its metadata, else by its certificate.
   *
   * @returns undefined: the caller does not say who it is
   * @throws ServerError `invalid-auth-token`, `auth-revision-old`; what ends a linearizable read
   */
  identify(caller: Caller): Identity | undefined | Promise<Identity | undefined> {
    const text = caller.metadata("token") ?? caller.metadata("authorization");
    if (text === undefined) return this.identifyByCertificate(caller);
    const token = text.startsWith(bearer) ? text.slice(bearer.length) : text;
    const { tokens, applier } = this.parts;
    const identity = tokens.verify(token, applier.auth.revision);
    if (identity instanceof Promise) return identity.then((verified) => this.notAhead(valid(verified)));
    if (identity !== undefined) return this.notAhead(identity);
    // Another member may have given it out, and this one has not applied that login yet.
    if ((indexOfToken(token) ?? 0) <= applier.appliedIndex) throw invalidToken();
    return this.caughtUp()
      .then(() => tokens.verify(token, applier.auth.revision))
      .then((verified) => this.notAhead(valid(verified)));
  }

  /**
   * Waits for the users and roles of which a token speaks, which may have been applied on another member alone by now. If nobody has
   * applied them, it was issued before a backup was restored, or by another cluster with the same key.
   */
  private notAhead(identity: Identity): Identity | Promise<Identity> {
    if (identity.revision <= this.auth.revision) return identity;
    return this.caughtUp().then(() => {
      const { revision } = this.auth;
      if (identity.revision <= revision) return identity;
      throw new ServerError("auth-revision-old", `issued at auth revision ${identity.revision}, it is ${revision} now`);
    });
  }

  /**
   * Calls `run` if the caller has the rights that `check` asks for, at once or once it is known who the caller is; `failing` is
   * told of an error that comes later. Nothing is applied between the check and `run`.
   *
   * @throws ServerError, if it is not allowed and that is known at once
   */
  whenAllowed(caller: Caller, check: (rights: Rights) => void, run: () => void, failing: Failing): void {
    if (!this.isOn) return run();
    this.whenIdentified(
      caller,
      (identity) => {
        if (this.isOn) check(new Rights(this.auth, identity));
        run();
      },
      failing,
    );
  }

  /**
   * Calls `run` with the user that the changes of a caller are made as, at once or later; `failing` is told of an error that comes
   * later. Only while `isOn`.
   *
   * @throws ServerError as `identify`; `user-name-empty` if the caller does not say who it is
   */
  whenUser(caller: Caller, run: (user: ProposalUser) => void, failing: Failing): void {
    this.whenIdentified(caller, (identity) => run(new Rights(this.auth, identity).checkUser()), failing);
  }

  /** Calls `run` with the user of a caller, at once or later; `failing` is told of an error that comes later. Throws as `identify`. */
  whenIdentified(caller: Caller, run: (identity: Identity | undefined) => void, failing: Failing): void {
    const identity = this.identify(caller);
    if (identity instanceof Promise) identity.then(run).catch((error: unknown) => failing.onError(error));
    else run(identity);
  }

  /** Returns the user of a caller, if that is known without waiting. */
  userOf(caller: Caller): string | undefined {
    if (!this.isOn) return undefined;
    try {
      const identity = this.identify(caller);
      if (!(identity instanceof Promise)) return identity?.name;
      identity.catch(() => undefined); // whoever waits for it is told
      return undefined;
    } catch (error) {
      if (error instanceof ServerError) return undefined;
      throw error;
    }
  }

  private identifyByCertificate({ certificateName: name }: Caller): Identity | undefined {
    return name === undefined ? undefined : { name, revision: this.auth.revision };
  }

  /** Resolves once everything has been applied here that was committed before. */
  private caughtUp(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.parts.reads.whenLinearizable({ deadline: 0, onReady: resolve, onError: reject });
    });
  }
}

const bearer = "Bearer ";

const invalidToken = (): ServerError => new ServerError("invalid-auth-token", "the token is unknown or has expired");

const valid = (identity: Identity | undefined): Identity => {
  if (identity === undefined) throw invalidToken();
  return identity;
};

/** Returns the user that a client's command is proposed as, where members propose the same kind of command, too. */
export const clientUser = ({ user }: Caller, auth: AuthState): ProposalUser =>
  user ?? { name: "", revision: auth.revision };

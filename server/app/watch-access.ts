// The rights to watch: checked when a watch is created, and again after each change of users, roles or permissions.

import type { Clock } from "../../platform/index.js";
import { type Identity, type KeyRange, Rights } from "../auth/index.js";
import { type Caller, ServerError, type ServerErrorCode } from "../base/index.js";
import type { Access } from "./access.js";

/** The reason to refuse or end a watch. */
export interface WatchRefusal {
  /** etcd's words. */
  readonly reason: string;
  readonly error: ServerError;
}

/** A watch that its user may create, or may not. */
export interface AdmittedWatch {
  readonly user: string | undefined;
  /** Undefined: it may. */
  readonly refusal: WatchRefusal | undefined;
}

const reasons: Readonly<Partial<Record<ServerErrorCode, string>>> = {
  "invalid-auth-token": "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token",
  "auth-revision-old": "rpc error: code = InvalidArgument desc = etcdserver: revision of auth store is old",
  "user-name-empty": "rpc error: code = InvalidArgument desc = etcdserver: user name is empty",
  "permission-denied": "rpc error: code = PermissionDenied desc = etcdserver: permission denied",
};

/** The rights of the caller of a watch session. */
export class WatchAccess {
  constructor(
    private readonly access: Access,
    private readonly caller: Caller,
  ) {}

  /** Tells whether callers have to be users. */
  get isOn(): boolean {
    return this.access.isOn;
  }

  /** Checks the right to create a watch, at once or once it is known who the caller is. */
  admit(range: KeyRange): AdmittedWatch | Promise<AdmittedWatch> {
    try {
      const identity = this.access.identify(this.caller);
      if (!(identity instanceof Promise)) return this.admitUser(identity, range);
      return identity.then(
        (known) => this.admitUser(known, range),
        (error: unknown) => ({ user: undefined, refusal: refusalFrom(error) }),
      );
    } catch (error) {
      return { user: undefined, refusal: refusalFrom(error) };
    }
  }

  /** Returns the reason to end a running watch of a user; undefined: there is none. */
  refusalOf(user: string | undefined, range: KeyRange): WatchRefusal | undefined {
    const identity = user === undefined ? undefined : { name: user, revision: this.access.auth.revision };
    return this.admitUser(identity, range).refusal;
  }

  private admitUser(identity: Identity | undefined, range: KeyRange): AdmittedWatch {
    const user = identity?.name;
    try {
      if (this.isOn) new Rights(this.access.auth, identity).checkRead(range);
      return { user, refusal: undefined };
    } catch (error) {
      return { user, refusal: refusalFrom(error) };
    }
  }
}

/** @throws any error that is no reason to refuse a watch */
const refusalFrom = (error: unknown): WatchRefusal => {
  const reason = error instanceof ServerError ? reasons[error.code] : undefined;
  if (reason === undefined) throw error;
  return { reason, error: error as ServerError };
};

/** A watch session whose watches are checked again. */
export interface RecheckedSession {
  /** Ends watches whose users may not read their keys any more; yields after each one looked at. */
  recheck(): Generator<void, void>;
}

/** Watches that are checked again before others run; few enough to be done while a change is applied. */
const watchesPerTurn = 2_000;

/**
 * Checks all running watches again after each change of users, roles or permissions: the first ones before anything else is
 * applied, the others in the turns that follow.
 */
export class WatchRechecks {
  private readonly sessions = new Set<RecheckedSession>();
  /** The pass over all watches that is under way. */
  private work: Iterator<void, void> | undefined = undefined;
  /** Tells that there was a change during the pass: another one follows. */
  private isOvertaken = false;

  constructor(
    private readonly access: Access,
    private readonly clock: Pick<Clock, "soon">,
  ) {
    access.whenChanged(() => this.begin());
  }

  add(session: RecheckedSession): void {
    this.sessions.add(session);
  }

  remove(session: RecheckedSession): void {
    this.sessions.delete(session);
  }

  private begin(): void {
    // Not from the start again: with one change after the other, the last watches would never be reached.
    if (this.work !== undefined) this.isOvertaken = true;
    else this.run((this.work = this.recheckAll()));
  }

  private run(work: Iterator<void, void>): void {
    for (let looked = 0; looked < watchesPerTurn; looked++)
      if (!this.access.isOn || work.next().done === true) return this.end();
    this.clock.soon(() => this.run(work));
  }

  private end(): void {
    this.work = undefined;
    if (!this.isOvertaken) return;
    this.isOvertaken = false;
    this.begin();
  }

  private *recheckAll(): Generator<void, void> {
    for (const session of [...this.sessions]) yield* session.recheck();
  }
}

// The rights to watch: checked when a watch is created, and again after each change of users, roles or permissions.

import type { Clock } from "../../platform/index.js";
import { type Identity, type KeyRange, Rights } from "../auth/index.js";
import { type Caller, ServerError, type ServerErrorCode } from "../base/index.js";
import type { Access } from "./access.js";

/** The reason to refuse or end a watch. */
export interface WatchRefusal {
  /** etcd's text. */
  readonly reason: string;
  readonly error: ServerError;
}

/** A request for a watch with the result of its check. */
export interface AdmittedWatch {
  readonly user: string | undefined;
  /** Undefined: the user has the right. */
  readonly refusal: WatchRefusal | undefined;
}

const reasons: Readonly<Partial<Record<ServerErrorCode, string>>> = {
  "invalid-auth-token": "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token",
  "auth-revision-old": "rpc error: code = InvalidArgument desc = etcdserver: revision of auth store is old",
  "user-name-empty": "rpc error: code = InvalidArgument desc = etcdserver: user name is empty",
  "permission-denied": "rpc error: code = PermissionDenied desc = etcdserver: permission denied",
};

/** Checks the rights of the caller of a watch session. */
export class WatchAccess {
  constructor(
    private readonly access: Access,
    private readonly caller: Caller,
  ) {}

  /** Whether authentication is on. */
  get isOn(): boolean {
    return this.access.isOn;
  }

  /** Checks the right to create a watch, at once or once the caller is authenticated. */
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

  /** Returns the reason to end a running watch of a user; undefined: its user has the right. */
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

/** Converts an error to a refusal. @throws any other kind of error */
const refusalFrom = (error: unknown): WatchRefusal => {
  const reason = error instanceof ServerError ? reasons[error.code] : undefined;
  if (reason === undefined) throw error;
  return { reason, error: error as ServerError };
};

/** A watch session whose watches can be checked again. */
export interface RecheckedSession {
  /** Ends the watches whose users have lost the right to read the keys; yields after each checked watch. */
  recheck(): Generator<void, void>;
}

/** Watches that are checked in one turn of the event loop; few enough for the apply of a change. */
const watchesPerTurn = 2_000;

/**
 * Checks all running watches again after each change of users, roles or permissions: the first `watchesPerTurn` before the next
 * entry is applied, the others in later turns.
 */
export class WatchRechecks {
  private readonly sessions = new Set<RecheckedSession>();
  /** The current pass over all watches. */
  private work: Iterator<void, void> | undefined = undefined;
  /** Whether another change was applied during the pass: a further pass follows. */
  private isOvertaken = false;

  constructor(
    private readonly access: Access,
    private readonly clock: Pick<Clock, "soon">,
  ) {
    access.addChangeListener(() => this.beginPass());
  }

  add(session: RecheckedSession): void {
    this.sessions.add(session);
  }

  remove(session: RecheckedSession): void {
    this.sessions.delete(session);
  }

  private beginPass(): void {
    // The pass is not restarted: under a series of changes, the last watches would never be checked.
    if (this.work !== undefined) this.isOvertaken = true;
    else this.runPass((this.work = this.recheckAll()));
  }

  private runPass(work: Iterator<void, void>): void {
    for (let looked = 0; looked < watchesPerTurn; looked++)
      if (!this.access.isOn || work.next().done === true) return this.endPass();
    this.clock.soon(() => this.runPass(work));
  }

  private endPass(): void {
    this.work = undefined;
    if (!this.isOvertaken) return;
    this.isOvertaken = false;
    this.beginPass();
  }

  private *recheckAll(): Generator<void, void> {
    for (const session of [...this.sessions]) yield* session.recheck();
  }
}

import type { AlarmMember, AlarmType } from "../../../../proto/index.js";
import type { Entry, MemberId, Term } from "../../../../raft/index.js";
import type { KvStore, Lease, LeaseId, Sliced } from "../../../../store/index.js";
import type { AuthState, TokenSource } from "../../../auth/index.js";
import type { CommandKind, CommandValues } from "../../index.js";

/** A listener for leases that are granted and revoked, on every member. */
export interface LeaseListener {
  onGranted(lease: Lease): void;
  onRevoked(id: LeaseId): void;
  /** An entry of this term was applied, the first of it. */
  onTermApplied(term: Term): void;
}

/** The members of the cluster, as far as commands change them. */
export interface MemberRegistry {
  publish(id: MemberId, attributes: { readonly name: string; readonly clientURLs: readonly string[] }): void;
}

/** The active alarms of the cluster, as far as commands need them. */
export interface AlarmRegistry {
  readonly all: readonly AlarmMember[];
  isActive(type: AlarmType): boolean;
  /** Activates an alarm; NONE is none. @returns the active alarm @throws ServerError `too-many-requests` */
  activate(alarm: AlarmMember): readonly AlarmMember[];
  /** Deactivates an alarm. @returns the alarm; nothing if it was not active */
  deactivate(alarm: AlarmMember): readonly AlarmMember[];
}

/** The replicated state that commands change, and the listener that is told of its leases. */
export interface ReplicatedState {
  readonly store: KvStore;
  readonly members: MemberRegistry;
  readonly alarms: AlarmRegistry;
  readonly leases: LeaseListener;
  readonly auth: AuthState;
  /** Tokens of users; not replicated, but told of each login and each change on every member. */
  readonly tokens: TokenSource;
  /** Called after each change of users, roles or permissions. */
  onAuthChanged(): void;
}

/** The result of a command that was applied at once. */
export class Applied<Result> {
  constructor(readonly result: Result) {}
}

/**
 * Applies one kind of command. Deterministic: no clock and no randomness, so that every member comes to the same state and
 * the same result. At once, or in slices if it may change many keys; nothing else is applied until it has returned.
 */
export type Handler<Kind extends CommandKind> = (
  value: CommandValues[Kind],
  state: ReplicatedState,
  position: Pick<Entry, "index" | "term">,
) => Applied<unknown> | Sliced<unknown>;

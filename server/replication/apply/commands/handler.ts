import type { AlarmMember, AlarmType } from "../../../../proto/index.js";
import type { Entry, MemberId } from "../../../../raft/index.js";
import type { KvStore, Sliced } from "../../../../store/index.js";
import type { AuthState, TokenSource } from "../../../auth/index.js";
import type { CommandKind, CommandValues, LeaseListener } from "../../index.js";

/** The members of the cluster, for the commands that change their attributes. */
export interface MemberRegistry {
  publish(id: MemberId, attributes: { readonly name: string; readonly clientURLs: readonly string[] }): void;
}

/** The active alarms of the cluster, for the commands that change them. */
export interface AlarmRegistry {
  readonly all: readonly AlarmMember[];
  isActive(type: AlarmType): boolean;
  /** Activates an alarm; an alarm of type NONE is ignored. @returns the active alarm @throws ServerError `too-many-requests` */
  activate(alarm: AlarmMember): readonly AlarmMember[];
  /** Deactivates an alarm. @returns the alarm; an empty list if it was not active */
  deactivate(alarm: AlarmMember): readonly AlarmMember[];
}

/** The replicated state that commands change, and the listener for its leases. */
export interface ReplicatedState {
  readonly store: KvStore;
  readonly members: MemberRegistry;
  readonly alarms: AlarmRegistry;
  readonly leases: LeaseListener;
  readonly auth: AuthState;
  /** The tokens of users. Not replicated: every member adds a token at each login and drops tokens at each change of users. */
  readonly tokens: TokenSource;
  /** Called after each change of users, roles or permissions. */
  onAuthChanged(): void;
}

/** The result of a command that was applied at once. */
export class Applied<Result> {
  constructor(readonly result: Result) {}
}

/**
 * Applies one kind of command. Deterministic: no clock and no randomness, so that every member has the same state and the same
 * result. A handler works at once, or in slices if the command may change many keys; no other entry is applied before its end.
 */
export type Handler<Kind extends CommandKind> = (
  value: CommandValues[Kind],
  state: ReplicatedState,
  position: Pick<Entry, "index" | "term">,
) => Applied<unknown> | Sliced<unknown>;

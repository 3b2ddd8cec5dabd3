import { asError, type Clock, exponentialBounds } from "../../../platform/index.js";
import { decodeProposal } from "../../../proto/index.js";
import type {
  CommandEntry,
  Configuration,
  Entry,
  LogIndex,
  LogPosition,
  MemberId,
  NodeListener,
  StateMachine,
  Term,
} from "../../../raft/index.js";
import { StoreError, type KvStore, type Sliced, type StoreErrorCode } from "../../../store/index.js";
import { type AuthState, dropReplacedTokens, type TokenSource } from "../../auth/index.js";
import { DurationsByKind, ServerError, StaleDirectoryError } from "../../base/index.js";
import type { CommandKind, Proposals } from "../index.js";
import {
  Applied,
  applyCommand,
  type CommandResults,
  type LeaseListener,
  type ReplicatedState,
} from "./commands/index.js";
import { type AppliedState, writeAppliedState } from "./applied-state.js";
import type { Alarms } from "./alarms.js";
import type { Membership } from "./membership.js";
import type { SeenProposals } from "./seen-proposals.js";

/** The member and start whose proposals are waited for here. */
export interface Self {
  readonly member: MemberId;
  readonly incarnation: number;
}

/** The compaction of the log; `Snapshots` implements it. */
export interface LogCompactor {
  /** Counts applied entries whose round has ended. */
  onEntriesApplied(entries: readonly Entry[]): void;
  /** Replaces the store by the snapshot that was received up to `position`; returns the replicated state of the snapshot. */
  install(position: LogPosition): Promise<AppliedState>;
}

/** The parts of a member that an applier calls. */
export interface ApplierParts {
  readonly proposals: Proposals<CommandResults>;
  readonly leases: LeaseListener;
  readonly snapshots: LogCompactor;
  readonly tokens: TokenSource;
  /** Measures how long commands take; nothing that is applied depends on it. */
  readonly clock: Pick<Clock, "now" | "soon">;
  /** Receives the failure after which nothing is applied any more. */
  readonly listener: Pick<NodeListener, "onFailure">;
}

/** A result every member comes to alike. Anything else the store throws stops the member. */
const outcomes = new Set<StoreErrorCode>([
  "compacted",
  "future-revision",
  "lease-not-found",
  "lease-exists",
  "key-not-found",
  "too-large",
]);

/** The time after which applying a command counts as slow, in milliseconds; etcd's default. */
const slowApplyMs = 100;

/**
 * Entries, and changes of keys that they make, that are applied as one round: about 2 ms. After a stall of the disk, or while
 * this member catches up, thousands are ready at once; a transaction or the end of leases changes many keys. A single entry
 * that changes more is applied in slices, and others run between them.
 */
export const maxWorkPerRound = 200;

/**
 * Applies committed entries to the store, each proposal once, and answers those that were made here. Deterministic:
 * no clock, no randomness; the same log gives the same bytes on every member.
 */
export class Applier implements StateMachine, ReplicatedState {
  /** The time that commands take to be applied. A refusal is a failure; of a compaction, one that was done before is none. */
  readonly durations = new DurationsByKind<CommandKind>(exponentialBounds(0.0001, 2, 20));
  readonly leases: LeaseListener;
  readonly tokens: TokenSource;
  private index: LogIndex;
  private term: Term;
  private membership: Membership;
  private seen: SeenProposals;
  private activeAlarms: Alarms;
  private authState: AuthState;
  private readonly authListeners: (() => void)[] = [];
  private waiters: { readonly index: LogIndex; readonly callback: () => void }[] = [];
  private stopped = false;
  private slow = 0;
  private installing = false;
  /** The time at which the entry before was applied: the clock is read once for each. */
  private appliedAt = 0;

  constructor(
    readonly store: KvStore,
    state: AppliedState,
    private readonly self: Self,
    private readonly parts: ApplierParts,
  ) {
    this.leases = parts.leases;
    this.tokens = parts.tokens;
    this.index = state.index;
    this.term = state.term;
    this.membership = state.membership;
    this.seen = state.seen;
    this.activeAlarms = state.alarms;
    this.authState = state.auth;
  }

  /** The index up to which everything has been applied. */
  get appliedIndex(): LogIndex {
    return this.index;
  }

  /** The number of commands that took longer than `slowApplyMs`. */
  get slowApplies(): number {
    return this.slow;
  }

  /** Tells whether a snapshot is being installed. */
  get isInstalling(): boolean {
    return this.installing;
  }

  get members(): Membership {
    return this.membership;
  }

  get alarms(): Alarms {
    return this.activeAlarms;
  }

  /** Users, roles and permissions; another object after a snapshot was installed. */
  get auth(): AuthState {
    return this.authState;
  }

  /** Calls back after each change of users, roles or permissions, before anything else is applied. */
  whenAuthChanges(callback: () => void): void {
    this.authListeners.push(callback);
  }

  onAuthChanged(): void {
    for (const callback of this.authListeners) callback();
  }

  /** The last start of a member from which something was applied; 0: none. */
  lastStartOf(member: MemberId): number {
    return this.seen.incarnationOf(member);
  }

  /** Calls back once everything up to `index` has been applied: at once if it has. */
  whenApplied(index: LogIndex, callback: () => void): void {
    if (index <= this.index) callback();
    else this.waiters.push({ index, callback });
  }

  apply(entries: readonly Entry[], done: () => void): void {
    this.applySlice(this.applyRound(entries), entries, done);
  }

  /**
   * Replaces everything that was applied by a snapshot, which contains more. What was waited for up to there is there; of
   * this member's own proposals in it the results are not.
   */
  install(position: LogPosition, done: (configuration: Configuration) => void): void {
    this.installing = true;
    this.parts.snapshots
      .install(position)
      .then((state) => {
        this.installing = false;
        if (this.stopped) return;
        this.checkSelf(state.seen);
        this.index = state.index;
        this.term = state.term;
        this.membership = state.membership;
        this.seen = state.seen;
        this.activeAlarms = state.alarms;
        dropReplacedTokens(this.tokens, this.authState, state.auth);
        this.authState = state.auth;
        this.onAuthChanged();
        const { member, incarnation } = this.self;
        this.parts.proposals.onSnapshotInstalled((sequence) => state.seen.isOver({ member, incarnation, sequence }));
        this.wakeWaiters();
        done(state.membership.configuration);
      })
      .catch((error: unknown) => this.fail(error));
  }

  stop(): void {
    this.stopped = true;
  }

  private applySlice(round: Sliced<number>, entries: readonly Entry[], done: () => void): void {
    const step = round.next();
    if (step.done !== true) {
      this.wakeWaiters(); // for what was applied before the entry that takes so long
      this.parts.clock.soon(() => this.runGuarded(() => this.applySlice(round, entries, done)));
      return;
    }
    const count = step.value;
    if (count === entries.length) this.whenRoom(done);
    else
      this.whenRoom(() => this.parts.clock.soon(() => this.runGuarded(() => this.apply(entries.slice(count), done))));
  }

  /** Applies as many as a round may have; yields in the middle of an entry that takes more than a turn may. @returns how many */
  private *applyRound(entries: readonly Entry[]): Sliced<number> {
    const { appliedChanges } = this.store;
    let count = 0;
    this.appliedAt = this.parts.clock.now();
    for (const entry of entries) {
      const rest = this.applyEntry(entry);
      if (rest !== undefined) yield* rest;
      this.index = entry.index; // when all of it is applied, not before
      if (entry.term !== this.term) this.parts.leases.onTermApplied(entry.term);
      this.term = entry.term;
      count += 1;
      if (count + this.store.appliedChanges - appliedChanges >= maxWorkPerRound) break;
    }
    this.checkSelf(this.seen);
    writeAppliedState(this.store, this.state());
    this.parts.snapshots.onEntriesApplied(count === entries.length ? entries : entries.slice(0, count));
    this.wakeWaiters();
    return count;
  }

  private runGuarded(run: () => void): void {
    if (this.stopped) return;
    try {
      run();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Calls back once the store has room: while the disk is behind, nothing more is applied. */
  private whenRoom(callback: () => void): void {
    if (!this.store.isFull) callback();
    else this.store.whenDrained(() => (this.stopped ? undefined : callback()));
  }

  private fail(error: unknown): void {
    if (!this.stopped) this.parts.listener.onFailure(asError(error));
  }

  /** Refuses a directory that is older than this member's last start. @throws StaleDirectoryError */
  private checkSelf(seen: SeenProposals): void {
    const { member, incarnation } = this.self;
    const last = seen.incarnationOf(member);
    if (last > incarnation) throw StaleDirectoryError.ofLaterStart(last, incarnation);
  }

  private state(): AppliedState {
    const { index, term, membership, seen, activeAlarms: alarms, authState: auth } = this;
    return { index, term, membership, seen, alarms, auth };
  }

  /** Applies an entry. @returns the work that is left, in slices */
  private applyEntry(entry: Entry): Sliced<void> | undefined {
    if (entry.kind === "command") return this.applyProposal(entry);
    if (entry.kind === "configuration") this.membership.configure(entry.configuration);
    return undefined;
  }

  private applyProposal(entry: CommandEntry): Sliced<void> | undefined {
    const proposal = this.parts.proposals.findKept(entry.data) ?? decodeProposal(entry.data);
    const { incarnation, sequence, floor, user, command } = proposal;
    const member = proposal.member as MemberId;
    if (command === undefined || !this.seen.admit({ member, incarnation, sequence, floor })) return undefined;
    const isOwn = member === this.self.member && incarnation === this.self.incarnation;
    const own = isOwn ? sequence : undefined;
    let applied: Applied<CommandResults[CommandKind]> | Sliced<CommandResults[CommandKind]>;
    try {
      applied = applyCommand(command, this, entry, user);
    } catch (error) {
      this.finish(own, command.$case, commonFailure(error));
      return undefined;
    }
    if (!(applied instanceof Applied)) return this.applySliced(applied, command.$case, own);
    this.finish(own, command.$case, applied.result);
    return undefined;
  }

  private *applySliced(
    work: Sliced<CommandResults[CommandKind]>,
    kind: CommandKind,
    sequence: number | undefined,
  ): Sliced<void> {
    let outcome: CommandResults[CommandKind] | CommonFailure;
    try {
      outcome = yield* work;
    } catch (error) {
      outcome = commonFailure(error);
    }
    this.finish(sequence, kind, outcome);
  }

  /** Measures a command that has been applied, and answers its proposal. */
  private finish(
    sequence: number | undefined,
    kind: CommandKind,
    outcome: CommandResults[CommandKind] | CommonFailure,
  ): void {
    const now = this.parts.clock.now();
    const ms = now - this.appliedAt;
    this.appliedAt = now;
    const isFailure = outcome instanceof StoreError || outcome instanceof ServerError;
    const hasSucceeded = !isFailure || outcome.code === "compacted"; // as in etcd
    this.durations.observe(kind, hasSucceeded, ms / 1_000);
    if (ms > slowApplyMs) this.slow++;
    if (sequence !== undefined) this.settle(sequence, outcome, now);
  }

  /** Answers a proposal of this member. */
  private settle(sequence: number, outcome: CommandResults[CommandKind] | CommonFailure, now: number): void {
    const { proposals } = this.parts;
    if (outcome instanceof StoreError || outcome instanceof ServerError) proposals.fail(sequence, outcome, now);
    else proposals.settle(sequence, outcome, now);
  }

  private wakeWaiters(): void {
    if (this.waiters.length === 0) return;
    const ready = this.waiters.filter((waiter) => waiter.index <= this.index);
    this.waiters = this.waiters.filter((waiter) => waiter.index > this.index);
    for (const { callback } of ready) callback();
  }
}

/** The reason why a command changed nothing, the same on every member. Handlers throw a ServerError on such grounds only. */
type CommonFailure = StoreError | ServerError;

/** Returns the reason why a command changed nothing. @throws any other error */
const commonFailure = (error: unknown): CommonFailure => {
  if (error instanceof ServerError) return error;
  if (error instanceof StoreError && outcomes.has(error.code)) return error;
  throw error;
};

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
import type { CommandKind, LeaseListener, Proposals } from "../index.js";
import { Applied, applyCommand, type CommandResults, type ReplicatedState } from "./commands/index.js";
import { type AppliedState, writeAppliedState } from "./applied-state.js";
import type { Alarms } from "./alarms.js";
import type { Membership } from "./membership.js";
import type { SeenProposals } from "./seen-proposals.js";

/** The member and its incarnation: the applier answers their proposals. */
export interface Self {
  readonly member: MemberId;
  readonly incarnation: number;
}

/** Compacts the log and installs snapshots; `Snapshots` implements it. */
export interface LogCompactor {
  /** Called with applied entries after their round has ended. */
  onEntriesApplied(entries: readonly Entry[]): void;
  /** Replaces the store by the received snapshot of `position`; returns the snapshot's replicated state. */
  install(position: LogPosition): Promise<AppliedState>;
}

/** The components that an applier calls. */
export interface ApplierParts {
  readonly proposals: Proposals<CommandResults>;
  readonly leases: LeaseListener;
  readonly snapshots: LogCompactor;
  readonly tokens: TokenSource;
  /** Measures how long commands take; the applied state does not depend on it. */
  readonly clock: Pick<Clock, "now" | "soon">;
  /** Receives the failure that stops the applier. */
  readonly listener: Pick<NodeListener, "onFailure">;
}

/** Errors that a command has on every member alike. Any other error of the store stops the member. */
const outcomes = new Set<StoreErrorCode>([
  "compacted",
  "future-revision",
  "lease-not-found",
  "lease-exists",
  "key-not-found",
  "too-large",
]);

/** The duration from which on the apply of a command counts as slow, in milliseconds; etcd's default. */
const slowApplyMs = 100;

/**
 * The maximum number of entries, plus the changes of keys that they make, in one round: about 2 ms. After a stall of the disk,
 * or while this member catches up, thousands of entries are ready at once; a transaction or the revocation of leases changes
 * many keys. A single entry with more changes is applied in slices, and other work runs between the slices.
 */
export const maxWorkPerRound = 200;

/**
 * Applies committed entries to the store, each proposal once, and answers the proposals of this member. Deterministic: the same log
 * gives the same bytes on every member, whatever the clock shows; it only measures durations and divides long work.
 */
export class Applier implements StateMachine, ReplicatedState {
  /** The durations of applied commands. A refused command counts as failed; a compaction up to a compacted revision does not. */
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
  private isStopped = false;
  private slow = 0;
  private isInstallRunning = false;
  /** The time at which the previous entry was applied: the clock is read once per entry. */
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

  /** The index up to which this member has applied the log. */
  get appliedIndex(): LogIndex {
    return this.index;
  }

  /** The number of commands that took longer than `slowApplyMs`. */
  get slowApplies(): number {
    return this.slow;
  }

  /** Whether a snapshot is being installed. */
  get isInstalling(): boolean {
    return this.isInstallRunning;
  }

  get members(): Membership {
    return this.membership;
  }

  get alarms(): Alarms {
    return this.activeAlarms;
  }

  /** Users, roles and permissions; replaced by another object when a snapshot is installed. */
  get auth(): AuthState {
    return this.authState;
  }

  /** Registers a callback that runs after each change of users, roles or permissions, before the next entry is applied. */
  addAuthListener(callback: () => void): void {
    this.authListeners.push(callback);
  }

  onAuthChanged(): void {
    for (const callback of this.authListeners) callback();
  }

  /** The newest incarnation of a member with an applied proposal; 0: none. */
  incarnationOf(member: MemberId): number {
    return this.seen.incarnationOf(member);
  }

  /** Calls back once all entries up to `index` are applied; at once if they are. */
  callWhenApplied(index: LogIndex, callback: () => void): void {
    if (index <= this.index) callback();
    else this.waiters.push({ index, callback });
  }

  apply(entries: readonly Entry[], done: () => void): void {
    this.applySlice(this.applyRound(entries), entries, done);
  }

  /**
   * Replaces the applied state by a snapshot, which contains more entries. Waiters up to the snapshot's index are called; this
   * member's own proposals in the snapshot end without a result.
   */
  install(position: LogPosition, done: (configuration: Configuration) => void): void {
    this.isInstallRunning = true;
    this.parts.snapshots
      .install(position)
      .then((state) => {
        this.isInstallRunning = false;
        if (this.isStopped) return;
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
    this.isStopped = true;
  }

  private applySlice(round: Sliced<number>, entries: readonly Entry[], done: () => void): void {
    const step = round.next();
    if (step.done !== true) {
      this.wakeWaiters(); // for the entries before the long one
      this.parts.clock.soon(() => this.runGuarded(() => this.applySlice(round, entries, done)));
      return;
    }
    const count = step.value;
    if (count === entries.length) this.callWhenRoom(done);
    else
      this.callWhenRoom(() =>
        this.parts.clock.soon(() => this.runGuarded(() => this.apply(entries.slice(count), done))),
      );
  }

  /**
   * Applies the entries of one round; yields within an entry that takes more than one turn of the event loop. @returns their
   * number
   */
  private *applyRound(entries: readonly Entry[]): Sliced<number> {
    const { appliedChanges } = this.store;
    let count = 0;
    this.appliedAt = this.parts.clock.now();
    for (const entry of entries) {
      const rest = this.applyEntry(entry);
      if (rest !== undefined) yield* rest;
      this.index = entry.index; // only after the whole entry is applied
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
    if (this.isStopped) return;
    try {
      run();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Calls back once the store has room: while the disk is behind, no further round is applied. */
  private callWhenRoom(callback: () => void): void {
    if (!this.store.isFull) callback();
    else this.store.callWhenDrained(() => (this.isStopped ? undefined : callback()));
  }

  private fail(error: unknown): void {
    if (!this.isStopped) this.parts.listener.onFailure(asError(error));
  }

  /** Stops a member on an older copy of its data directory. @throws StaleDirectoryError if a newer incarnation of it proposed */
  private checkSelf(seen: SeenProposals): void {
    const { member, incarnation } = this.self;
    const last = seen.incarnationOf(member);
    if (last > incarnation) throw StaleDirectoryError.ofLaterStart(last, incarnation);
  }

  private state(): AppliedState {
    const { index, term, membership, seen, activeAlarms: alarms, authState: auth } = this;
    return { index, term, membership, seen, alarms, auth };
  }

  /** Applies an entry. @returns the remaining work, in slices */
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
      this.finishCommand(own, command.$case, commonFailure(error));
      return undefined;
    }
    if (!(applied instanceof Applied)) return this.applySliced(applied, command.$case, own);
    this.finishCommand(own, command.$case, applied.result);
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
    this.finishCommand(sequence, kind, outcome);
  }

  /** Measures an applied command, and answers its proposal. */
  private finishCommand(
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
    if (sequence !== undefined) this.answerProposal(sequence, outcome, now);
  }

  /** Answers a proposal of this member. */
  private answerProposal(sequence: number, outcome: CommandResults[CommandKind] | CommonFailure, now: number): void {
    const { proposals } = this.parts;
    if (outcome instanceof StoreError || outcome instanceof ServerError) proposals.fail(sequence, outcome, now);
    else proposals.settleProposal(sequence, outcome, now);
  }

  private wakeWaiters(): void {
    if (this.waiters.length === 0) return;
    const ready = this.waiters.filter((waiter) => waiter.index <= this.index);
    this.waiters = this.waiters.filter((waiter) => waiter.index > this.index);
    for (const { callback } of ready) callback();
  }
}

/** A reason why a command changed nothing, the same on every member. A handler throws ServerError for no other reason. */
type CommonFailure = StoreError | ServerError;

/** Returns the reason why a command changed nothing. @throws any other error */
const commonFailure = (error: unknown): CommonFailure => {
  if (error instanceof ServerError) return error;
  if (error instanceof StoreError && outcomes.has(error.code)) return error;
  throw error;
};

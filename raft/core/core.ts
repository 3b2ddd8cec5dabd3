import { ClientAnswers } from "./client-answers.js";
import { CurrentTerm } from "./current-term.js";
import { ElectionTimer } from "./election-timer.js";
import type { LogBase } from "./configuration.js";
import { Elections } from "./elections.js";
import { Forwarding } from "./forwarding.js";
import { Installer } from "./installer.js";
import { assertNever, invariant } from "./invariant.js";
import { LeaderRole } from "./leader-role.js";
import { defaultLimits, type CoreLimits } from "./limits.js";
import { Log } from "./log.js";
import { Notices } from "./notices.js";
import { Outbox } from "./outbox.js";
import type { LogIndex, LogPosition, MemberId, Term } from "./ids.js";
import type {
  Append,
  AppendReply,
  Commit,
  CoreStatus,
  Entry,
  HardState,
  Heartbeat,
  HeartbeatReply,
  Input,
  Notice,
  Outgoing,
  PeerMessage,
  ReadState,
  ReceivedSnapshot,
  Refusal,
  RefusalReason,
  Role,
  Unsaved,
} from "./types.js";

/** The state that a member recovers from its disk. Raft paper, figure 2: the persistent state, and §7. */
export interface RecoveredState {
  /** Term 0, no vote, commit 0 for a new member. */
  readonly hardState: HardState;
  /** The base of the log. Everything up to it is only in the state machine. */
  readonly base: LogBase;
  /** The entries after `base`, durable and without a gap. */
  readonly entries: readonly Entry[];
}

/** The options of `RaftCore`. */
export interface CoreOptions {
  readonly id: MemberId;
  readonly recovered: RecoveredState;
  /** The last index that the state machine holds: committed, and not handed out again. */
  readonly applied: LogIndex;
  /** The ticks between two heartbeats. */
  readonly heartbeatTicks: number;
  /** The least election timeout; each wait is random in [electionTicks, 2 × electionTicks). */
  readonly electionTicks: number;
  /** Returns a number in [0, 1). */
  readonly random: () => number;
  /** Overrides of `defaultLimits`. */
  readonly limits?: Partial<CoreLimits>;
}

type InputOf<Kind extends Input["kind"]> = Extract<Input, { readonly kind: Kind }>;

const nothing: readonly never[] = [];

/**
 * The Raft state machine of one member: makes all decisions and does no input or output. The driver steps it with every event
 * and takes the resulting work from it:
 *
 * ```text
 * step(input)…                 any number of times, also while a write is under way
 * send(takeMessages())         may be sent at once: they depend on durable state only
 * unsaved = takeUnsaved()      only while no write is under way
 *   write unsaved.hardState and unsaved.entries, or restart the log; nothing to write without both
 *   send(unsaved.replies)      once that is durable
 *   onSaved(unsaved)
 * apply(takeCommitted())       until it gives none
 * install(takeInstall())       only while nothing is being applied, then step(snapshotInstalled)
 * ```
 *
 * @throws InvariantError from any method if an invariant of Raft is broken; the member must stop
 */
export class RaftCore {
  private readonly id: MemberId;
  private readonly limits: CoreLimits;
  private readonly log: Log;
  private readonly current: CurrentTerm;
  private readonly outbox: Outbox;
  private readonly answers = new ClientAnswers();
  private readonly notices = new Notices();
  private readonly forwarding: Forwarding;
  private readonly leaderRole: LeaderRole;
  private readonly elections: Elections;
  private readonly installer: Installer;

  constructor(options: CoreOptions) {
    const { id, recovered, applied, heartbeatTicks, electionTicks, random } = options;
    const { hardState } = recovered;
    const { answers, notices } = this;
    const timing = { heartbeatTicks, electionTicks };
    const limits = { ...defaultLimits, ...options.limits };
    const log = new Log({ ...recovered, commit: hardState.commit, applied });
    invariant(log.lastTerm <= hardState.term, "an entry of a later term than the hard state's");
    const current = new CurrentTerm(hardState);
    const outbox = new Outbox(log, current, hardState);
    const { maxPendingReads } = limits;
    const firstRead = Math.floor(random() * 2 ** 48);
    const forwarding = new Forwarding({ electionTicks, maxPendingReads, firstRead, outbox, answers });
    const leaderRole = new LeaderRole({ id, log, timing, limits, outbox, answers, notices }, forwarding);
    const timer = new ElectionTimer(timing, random);
    this.id = id;
    this.limits = limits;
    this.log = log;
    this.current = current;
    this.outbox = outbox;
    this.forwarding = forwarding;
    this.leaderRole = leaderRole;
    this.elections = new Elections({ id, log, timer, current, outbox, leaderRole });
    this.installer = new Installer(log, current, this.elections, outbox);
    this.elections.start();
  }

  /** Handles one event. Results are collected until they are taken. */
  step(input: Input): void {
    switch (input.kind) {
      case "tick":
        this.onTick();
        return;
      case "receive":
        this.onReceive(input.from, input.message);
        return;
      case "propose":
        this.onPropose(input);
        return;
      case "readIndex":
        this.onReadIndex(input.request);
        return;
      case "linkOpened":
        this.leaderRole.onLinkOpened(input.peer);
        return;
      case "linkClosed":
        this.onLinkClosed(input.peer);
        return;
      case "snapshotEnded":
        this.leaderRole.onSnapshotEnded(input.peer);
        return;
      case "snapshotReceived":
        this.onSnapshotReceived(input);
        return;
      case "snapshotInstalled":
        this.installer.onInstalled(input.configuration);
        return;
      case "proposeConfiguration":
        this.onProposeConfiguration(input);
        return;
      case "transferLeadership":
        this.leaderRole.transferLeadership(input.to);
        return;
      default:
        assertNever(input);
    }
  }

  /** Returns the messages that may be sent at once, also during a write. */
  takeMessages(): readonly Outgoing[] {
    this.leaderRole.leadership?.sendDueMessages();
    return this.outbox.takeMessages();
  }

  /**
   * Returns the next write, or undefined if there is nothing to write and nothing to send. Without a hard state
   * and entries there is nothing to write: the replies may be sent at once, and `onSaved` has no effect.
   */
  takeUnsaved(): Unsaved | undefined {
    return this.outbox.takeUnsaved(this.installer.pendingRestart);
  }

  /** Records that `unsaved` is durable. */
  onSaved(unsaved: Unsaved): void {
    if (!this.outbox.onSaved(unsaved)) return;
    if (unsaved.restart === undefined) this.log.markSaved();
    else this.installer.onLogRestarted(unsaved.restart);
    this.leaderRole.onSaved();
    this.elections.onSaved();
  }

  /**
   * Returns the next committed entries that are durable here, in order, each once. The amount is bounded: call it until it
   * returns none.
   */
  takeCommitted(): readonly Entry[] {
    if (this.installer.isUnderWay) return nothing; // the snapshot contains the entries
    return this.log.takeCommitted(this.limits.maxCommittedBytes);
  }

  /** Tells whether entries or a snapshot wait until the state machine has applied the entries taken last. */
  get hasMoreToApply(): boolean {
    return this.installer.isUnderWay || this.log.hasCommitted;
  }

  /** Returns the position of a snapshot to install, once. `takeCommitted` returns no entries until it is installed. */
  takeInstall(): LogPosition | undefined {
    return this.installer.takeInstall();
  }

  /** Returns the reads that may be answered once their index is applied. Raft thesis §6.4. */
  takeReadStates(): readonly ReadState[] {
    return this.answers.takeReadStates();
  }

  /** Returns the proposals and reads that were refused. */
  takeRefusals(): readonly Refusal[] {
    return this.answers.takeRefusals();
  }

  /** Returns the notices for the member around the core. */
  takeNotices(): readonly Notice[] {
    return this.notices.takeNotices();
  }

  /**
   * Removes the entries up to `through`, which the state machine holds durably, except those not yet handed out to be
   * applied. Raft paper §7.
   *
   * @returns the new base of the log: entries up to it are no longer needed on disk
   */
  compact(through: LogIndex): LogBase {
    if (!this.installer.isUnderWay) this.log.compact(through);
    this.leaderRole.onLogCompacted();
    return this.log.base;
  }

  /** The current term. */
  get term(): Term {
    return this.current.term;
  }

  /** The role in the current term. */
  get role(): Role {
    return this.elections.role;
  }

  /** The known leader; `noMember` if there is none. */
  get leader(): MemberId {
    return this.elections.leader;
  }

  /** Returns a snapshot of the core's state. */
  status(): CoreStatus {
    const { role, leader } = this.elections;
    const { term, vote } = this.current;
    return {
      id: this.id,
      role,
      term,
      vote,
      leader,
      commit: this.log.commit,
      base: this.log.base,
      configuration: this.log.configuration,
      lastIndex: this.log.lastIndex,
      savedIndex: this.log.savedIndex,
    };
  }

  // Requests of this member's clients: served here if this member leads, else forwarded to the known leader.

  private onPropose(input: InputOf<"propose">): void {
    const { leadership } = this.leaderRole;
    if (leadership === undefined) this.forwarding.propose(this.elections.leader, input);
    else this.refuseFor(leadership.propose(input.data), "proposal", input.proposal);
  }

  /** Starts a linearizable read. Raft thesis §6.4. */
  private onReadIndex(request: number): void {
    const { leadership } = this.leaderRole;
    if (leadership === undefined) this.forwarding.readIndex(this.elections.leader, request);
    else this.refuseFor(leadership.readIndex({ from: this.id, request }), "read", request);
  }

  /** Appends a configuration if this member leads: changes of members are not forwarded. */
  private onProposeConfiguration({ proposal, configuration }: InputOf<"proposeConfiguration">): void {
    const { leadership } = this.leaderRole;
    const reason = leadership === undefined ? "no-leader" : leadership.proposeConfiguration(configuration);
    this.refuseFor(reason, "proposal", proposal);
  }

  private refuseFor(reason: RefusalReason | undefined, kind: Refusal["kind"], number: number): void {
    if (reason !== undefined) this.answers.refuse(kind, number, reason);
  }

  private onTick(): void {
    this.forwarding.tick();
    const hasMajority = this.leaderRole.tick();
    if (this.leaderRole.leadership === undefined) this.elections.tick();
    else if (!hasMajority) this.elections.stepDown();
  }

  private onLinkClosed(peer: MemberId): void {
    this.leaderRole.onLinkClosed(peer);
    this.elections.onLinkClosed(peer);
  }

  private onSnapshotReceived(snapshot: ReceivedSnapshot): void {
    if (!this.installer.acceptSnapshot(snapshot))
      this.notices.addNotice({ kind: "snapshotRefused", position: snapshot.position });
  }

  // Messages from peers.

  /**
   * Handles a message of another member. This member's configuration may not list the sender: a leader or candidate may have a
   * later configuration. Raft thesis §4.1. Votes and acknowledgements count only if the sender is in the configuration.
   */
  private onReceive(from: MemberId, message: PeerMessage): void {
    switch (message.kind) {
      case "preVote":
        this.elections.onPreVote(from, message);
        return;
      case "preVoteReply":
        this.elections.onPreVoteReply(from, message);
        return;
      case "vote":
        this.elections.onVote(from, message);
        return;
      case "voteReply":
        this.elections.onVoteReply(from, message);
        return;
      case "append":
        this.onAppend(from, message);
        return;
      case "appendReply":
        this.onAppendReply(from, message);
        return;
      case "heartbeat":
        this.onHeartbeat(from, message);
        return;
      case "heartbeatReply":
        this.onHeartbeatReply(from, message);
        return;
      case "commit":
        this.onCommit(from, message);
        return;
      case "timeoutNow":
        this.elections.onTimeoutNow(from, message);
        return;
      case "forwardedProposal":
        // There is no negative acknowledgement: the sender retransmits until its deadline, as the message may also be lost.
        this.leaderRole.leadership?.propose(message.data);
        return;
      case "forwardedRead":
        this.leaderRole.leadership?.readIndex({ from, request: message.request }); // refused without an answer: the sender expires the read
        return;
      case "forwardedReadReply":
        if (from === this.elections.leader) this.forwarding.onForwardedReadReply(message);
        return;
      default:
        assertNever(message);
    }
  }

  // The log.

  private onAppend(from: MemberId, append: Append): void {
    if (append.term < this.current.term) {
      this.refuseAppend(from, append); // the reply carries the new term to the old leader
      return;
    }
    this.elections.followLeader(from, append.term);
    if (this.installer.isUnderWay) return; // as if lost: the log is about to be replaced
    const { prevIndex, prevTerm, entries } = append;
    if (prevIndex < this.log.base.index) {
      // The leader holds all that is committed here (paper §5.4, leader completeness) and can continue from there.
      this.outbox.acknowledgeAppend(from, this.log.commit);
      return;
    }
    if (this.log.termAt(prevIndex) !== prevTerm) {
      this.refuseAppend(from, append);
      return;
    }
    invariant(entries[0] === undefined || entries[0].index === prevIndex + 1, "an append with a gap");
    this.log.mergeEntries(entries);
    // Beyond the entries of this message our log may differ from the leader's. Raft paper, figure 2, AppendEntries rule 5.
    const agreeAt = (prevIndex + entries.length) as LogIndex;
    this.log.agreeTo(agreeAt, append.term);
    this.log.commitTo(Math.min(append.commit, agreeAt) as LogIndex);
    this.outbox.acknowledgeAppend(from, agreeAt);
  }

  private refuseAppend(to: MemberId, { prevIndex, prevTerm }: Append): void {
    // The committed prefix matches, so the search never goes back further than that.
    const hintIndex = Math.max(this.log.commit, this.log.findConflictByTerm(prevIndex, prevTerm)) as LogIndex;
    const hintTerm = this.log.termAt(hintIndex) ?? (0 as Term);
    const { term } = this.current;
    this.outbox.send(to, { kind: "appendReply", term, accepted: false, index: prevIndex, hintIndex, hintTerm });
  }

  private onAppendReply(from: MemberId, reply: AppendReply): void {
    if (!this.elections.observeTerm(reply.term)) return;
    this.leaderRole.leadership?.markActive(from);
    this.leaderRole.leadership?.onAppendReply(from, reply);
  }

  private onHeartbeat(from: MemberId, heartbeat: Heartbeat): void {
    if (heartbeat.term >= this.current.term) {
      this.elections.followLeader(from, heartbeat.term);
      this.log.commitTo(heartbeat.commit);
    }
    this.outbox.send(from, { kind: "heartbeatReply", term: this.current.term, round: heartbeat.round });
  }

  /** Advances the commit index. A former leader gets no reply here: the reply to its next heartbeat carries the new term. */
  private onCommit(from: MemberId, { term, commit }: Commit): void {
    if (term < this.current.term) return;
    this.elections.followLeader(from, term);
    this.log.commitAgreed(commit, term);
  }

  private onHeartbeatReply(from: MemberId, reply: HeartbeatReply): void {
    if (!this.elections.observeTerm(reply.term)) return;
    this.leaderRole.leadership?.markActive(from);
    this.leaderRole.leadership?.onHeartbeatReply(from, reply);
  }
}

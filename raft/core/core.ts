import { ClientRequests, type Route } from "./client-requests.js";
import { Elections } from "./elections.js";
import { Installer } from "./installer.js";
import { assertNever, invariant } from "./invariant.js";
import { Leadership } from "./leadership.js";
import { defaultLimits, type CoreLimits } from "./limits.js";
import { Log } from "./log.js";
import { Outbox } from "./outbox.js";
import {
  noMember,
  type Append,
  type AppendReply,
  type CoreStatus,
  type Entry,
  type HardState,
  type Heartbeat,
  type HeartbeatReply,
  type Input,
  type LogIndex,
  type LogPosition,
  type MemberId,
  type Notice,
  type Outgoing,
  type PeerMessage,
  type ReadState,
  type ReceivedSnapshot,
  type Refusal,
  type Term,
  type Unsaved,
} from "./types.js";

/** The options of `RaftCore`: configuration, and the state recovered from disk. */
export interface CoreOptions {
  readonly id: MemberId;
  /** The ids of all voters, including this member. */
  readonly voters: readonly MemberId[];
  /** The recovered hard state; term 0, no vote, commit 0 for a new member. */
  readonly hardState: HardState;
  /** The recovered base of the log. Everything up to it is only in the state machine. */
  readonly base: LogPosition;
  /** The recovered entries after `base`, durable and without a gap. */
  readonly entries: readonly Entry[];
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

/** A leadership transfer under way. Raft thesis §3.10. */
interface Transfer {
  readonly to: MemberId;
  ticksLeft: number;
}

const nothing: readonly never[] = [];

/**
 * The Raft state machine of one member: decides, without any input or output of its own. The driver steps it with
 * every event and takes the resulting work from it:
 *
 * ```text
 * step(input)…                 any number of times, also while a write is under way
 * send(takeMessages())         may be sent at once: they depend on durable state only
 * unsaved = takeUnsaved()      only while no write is under way
 *   write unsaved.hardState and unsaved.entries, or restart the log; nothing to write if neither is there
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
  private readonly voters: readonly MemberId[];
  private readonly peers: readonly MemberId[];
  private readonly heartbeatTicks: number;
  private readonly electionTicks: number;
  private readonly limits: CoreLimits;
  private readonly log: Log;
  private readonly elections: Elections;

  /** The state of a leader; undefined in any other role. */
  private leadership: Leadership | undefined;

  private readonly outbox: Outbox;
  private readonly requests: ClientRequests;
  /** The leadership transfer under way; ended by a new leader, a closed link or an election timeout. */
  private transfer: Transfer | undefined;
  private readonly installer: Installer;
  private notices: Notice[] = [];

  constructor(options: CoreOptions) {
    invariant(options.voters.includes(options.id), "a member that is not among its voters");
    this.id = options.id;
    this.voters = options.voters.toSorted((a, b) => (a < b ? -1 : 1));
    this.peers = this.voters.filter((voter) => voter !== this.id);
    this.heartbeatTicks = options.heartbeatTicks;
    this.electionTicks = options.electionTicks;
    this.limits = { ...defaultLimits, ...options.limits };
    this.log = new Log({ ...options, commit: options.hardState.commit });
    invariant(this.log.lastTerm <= options.hardState.term, "an entry of a later term than the hard state's");
    this.outbox = new Outbox({ log: this.log, hardState: options.hardState, current: () => this.elections });
    this.requests = new ClientRequests({
      ...options,
      maxPendingReads: this.limits.maxPendingReads,
      forward: (to, message) => this.outbox.sendNow(to, message),
    });
    this.elections = new Elections({
      ...options,
      voters: this.voters,
      log: this.log,
      transferee: () => this.transfer?.to,
      isDurable: () => this.outbox.isHardStateDurable,
      send: (to, message) => this.outbox.send(to, message),
      listener: {
        onNewTerm: () => this.outbox.dropReplies(),
        onLeaderChanged: () => this.onLeaderChanged(),
        onElected: () => this.onElected(),
        onDeposed: () => this.endLeadership(),
      },
    });
    this.installer = new Installer({ log: this.log, elections: this.elections, outbox: this.outbox });
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
        this.requests.propose(input, this.findRoute());
        return;
      case "readIndex":
        this.requests.readIndex(input.request, this.findRoute());
        return;
      case "linkClosed":
        this.onLinkClosed(input.peer);
        return;
      case "snapshotEnded":
        this.leadership?.onSnapshotEnded(input.peer);
        return;
      case "snapshotReceived":
        this.onSnapshotReceived(input);
        return;
      case "snapshotInstalled":
        this.installer.onInstalled();
        return;
      case "transferLeadership":
        this.onTransferLeadership(input.to);
        return;
      default:
        assertNever(input);
    }
  }

  /** Returns the messages that may be sent at once, beside a write under way. */
  takeMessages(): readonly Outgoing[] {
    this.leadership?.sendDueMessages();
    return this.outbox.takeMessages();
  }

  /**
   * Returns the next write, or undefined if there is nothing to write and nothing to send. With neither a hard state nor
   * entries there is nothing to write and the replies may be sent at once; `onSaved` then has no effect.
   */
  takeUnsaved(): Unsaved | undefined {
    return this.outbox.takeUnsaved(this.installer.pendingRestart);
  }

  /** Records that `unsaved` is durable. */
  onSaved(unsaved: Unsaved): void {
    if (!this.outbox.onSaved(unsaved)) return;
    if (unsaved.restart === undefined) this.log.markSaved();
    else this.installer.onLogRestarted(unsaved.restart);
    this.leadership?.onSaved();
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

  /** Returns the position of a snapshot to install, once. No entry is committed until it is installed. */
  takeInstall(): LogPosition | undefined {
    return this.installer.takeInstall();
  }

  /** Returns the reads that may be answered once their index is applied. Raft thesis §6.4. */
  takeReadStates(): readonly ReadState[] {
    return this.requests.takeReadStates();
  }

  /** Returns the proposals and reads that were refused. */
  takeRefusals(): readonly Refusal[] {
    return this.requests.takeRefusals();
  }

  /** Returns the notices for the member around the core. */
  takeNotices(): readonly Notice[] {
    if (this.notices.length === 0) return nothing;
    const { notices } = this;
    this.notices = [];
    return notices;
  }

  /**
   * Removes the entries up to `through`, which the state machine holds durably, except those not yet handed out to be
   * applied. Raft paper §7.
   *
   * @returns the new base of the log: entries up to it are no longer needed on disk
   */
  compact(through: LogIndex): LogPosition {
    if (!this.installer.isUnderWay) this.log.compact(through);
    this.leadership?.onLogCompacted();
    return this.log.base;
  }

  /** Returns a snapshot of the core's state. */
  status(): CoreStatus {
    const { role, term, vote, leader } = this.elections;
    return {
      id: this.id,
      role,
      term,
      vote,
      leader,
      commit: this.log.commit,
      base: this.log.base,
      lastIndex: this.log.lastIndex,
      savedIndex: this.log.saved,
    };
  }

  // Leadership.

  private onElected(): void {
    this.leadership = new Leadership({
      id: this.id,
      term: this.elections.term,
      voters: this.voters,
      log: this.log,
      limits: this.limits,
      heartbeatTicks: this.heartbeatTicks,
      electionTicks: this.electionTicks,
      send: (to, message) => this.outbox.send(to, message),
      onReadConfirmed: ({ from, request }, index) => {
        if (from === this.id) this.requests.onReadConfirmed({ request, index });
        else this.outbox.send(from, { kind: "forwardedReadReply", request, index });
      },
      onSnapshotNeeded: (peer) => this.notices.push({ kind: "snapshotNeeded", peer }),
    });
  }

  private endLeadership(): void {
    const unanswered = this.leadership?.pendingReads() ?? [];
    this.leadership = undefined;
    this.notices = this.notices.filter(({ kind }) => kind !== "snapshotNeeded"); // the next leader sends its own
    for (const { from, request } of unanswered) if (from === this.id) this.requests.onReadDropped(request);
  }

  private onLeaderChanged(): void {
    const { leader } = this.elections;
    this.requests.onLeaderChanged();
    if (this.transfer !== undefined && leader !== noMember) this.endTransfer(leader === this.transfer.to);
  }

  /** Returns the destination of clients' requests. */
  private findRoute(): Route {
    return { leadership: this.leadership, leader: this.elections.leader };
  }

  private onTick(): void {
    this.requests.tick();
    if (this.transfer !== undefined && --this.transfer.ticksLeft <= 0) this.endTransfer(false);
    if (this.leadership === undefined) this.elections.tick();
    else if (!this.leadership.tick()) this.elections.stepDown();
  }

  private onLinkClosed(peer: MemberId): void {
    this.leadership?.onLinkClosed(peer);
    this.elections.onLinkClosed(peer);
    if (peer === this.transfer?.to) this.endTransfer(false);
  }

  // Leadership transfer. Raft thesis §3.10.

  private onTransferLeadership(wanted: MemberId | undefined): void {
    if (this.leadership === undefined) {
      // This member may have stepped down for the transferee already: that transfer then answers this request, too.
      if (this.transfer === undefined) this.endTransfer(false);
      return;
    }
    const to = this.leadership.findTransferee(wanted);
    if (wanted === this.id || to === undefined) {
      this.endTransfer(wanted === this.id);
      return;
    }
    // A second request changes the transferee but not the deadline: proposals wait for one election timeout at most.
    this.transfer = { to, ticksLeft: this.transfer?.ticksLeft ?? this.electionTicks };
    this.leadership.setTransferee(to);
  }

  /** Ends the transfer; a member that still leads accepts proposals again. Raft thesis §3.10: "after about an election timeout". */
  private endTransfer(ok: boolean): void {
    this.transfer = undefined;
    this.leadership?.setTransferee(undefined);
    this.notices.push({ kind: "transferEnded", ok });
  }

  private onSnapshotReceived(snapshot: ReceivedSnapshot): void {
    const isOfUse = this.peers.includes(snapshot.from) && this.installer.acceptSnapshot(snapshot);
    if (!isOfUse) this.notices.push({ kind: "snapshotRefused", position: snapshot.position });
  }

  // Messages from peers.

  private onReceive(from: MemberId, message: PeerMessage): void {
    if (!this.peers.includes(from)) return; // not a voter
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
      case "timeoutNow":
        this.elections.onTimeoutNow(from, message);
        return;
      case "forwardedProposal":
        // There is no negative acknowledgement: the sender retransmits until its deadline, as the message may also be lost.
        if (message.data.length > 0) this.leadership?.propose(message.data);
        return;
      case "forwardedRead":
        this.leadership?.readIndex({ from, request: message.request }); // refused without an answer: the sender expires the read
        return;
      case "forwardedReadReply":
        if (from === this.elections.leader) this.requests.onForwardedReadReply(message);
        return;
      default:
        assertNever(message);
    }
  }

  // The log.

  private onAppend(from: MemberId, append: Append): void {
    if (append.term < this.elections.term) {
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
    this.log.commitTo(Math.min(append.commit, agreeAt) as LogIndex);
    this.outbox.acknowledgeAppend(from, agreeAt);
  }

  private refuseAppend(to: MemberId, { prevIndex, prevTerm }: Append): void {
    // The committed prefix matches, so the search never goes back further than that.
    const hintIndex = Math.max(this.log.commit, this.log.findConflictByTerm(prevIndex, prevTerm)) as LogIndex;
    const hintTerm = this.log.termAt(hintIndex) ?? (0 as Term);
    const { term } = this.elections;
    this.outbox.send(to, { kind: "appendReply", term, accepted: false, index: prevIndex, hintIndex, hintTerm });
  }

  private onAppendReply(from: MemberId, reply: AppendReply): void {
    if (!this.elections.observeTerm(reply.term)) return;
    this.leadership?.markActive(from);
    this.leadership?.onAppendReply(from, reply);
  }

  private onHeartbeat(from: MemberId, heartbeat: Heartbeat): void {
    if (heartbeat.term >= this.elections.term) {
      this.elections.followLeader(from, heartbeat.term);
      this.log.commitTo(heartbeat.commit);
    }
    this.outbox.send(from, { kind: "heartbeatReply", term: this.elections.term, round: heartbeat.round });
  }

  private onHeartbeatReply(from: MemberId, reply: HeartbeatReply): void {
    if (!this.elections.observeTerm(reply.term)) return;
    this.leadership?.markActive(from);
    this.leadership?.onHeartbeatReply(from, reply);
  }
}

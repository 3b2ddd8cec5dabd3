import { invariant } from "./invariant.js";
import type { CoreLimits } from "./limits.js";
import type { Log } from "./log.js";
import { Progress } from "./progress.js";
import { quorumSize, quorumValue } from "./quorum.js";
import { ReadRounds, type PendingRead } from "./read-rounds.js";
import type {
  AppendReply,
  Heartbeat,
  HeartbeatReply,
  LogIndex,
  MemberId,
  PeerMessage,
  RefusalReason,
  Term,
} from "./types.js";

export interface LeadershipOptions {
  readonly id: MemberId;
  readonly term: Term;
  readonly voters: readonly MemberId[];
  readonly log: Log;
  readonly limits: CoreLimits;
  readonly heartbeatTicks: number;
  readonly electionTicks: number;
  /** Sends as soon as `term` is durable. */
  readonly send: (to: MemberId, message: PeerMessage) => void;
  /** A read was confirmed: it sees everything acknowledged before it began, once `index` is applied. */
  readonly onReadConfirmed: (read: PendingRead, index: LogIndex) => void;
  /** What a follower needs is not in the log any more; it is sent no appends until `snapshotEnded`. */
  readonly onSnapshotNeeded: (follower: MemberId) => void;
}

/** What a leader does in its term. Gone with the term, so nothing of it can leak into the next. Raft paper §5.3, §5.4. */
export class Leadership {
  private readonly id: MemberId;
  private readonly term: Term;
  private readonly log: Log;
  private readonly limits: CoreLimits;
  private readonly heartbeatTicks: number;
  private readonly electionTicks: number;
  private readonly send: LeadershipOptions["send"];
  private readonly onReadConfirmed: LeadershipOptions["onReadConfirmed"];
  private readonly onSnapshotNeeded: LeadershipOptions["onSnapshotNeeded"];
  private readonly followers: ReadonlyMap<MemberId, Progress>;
  private readonly quorum: number;
  private readonly reads = new ReadRounds();
  /** To whom leadership is being handed over. `isPrompted`: it holds the whole log and was sent TimeoutNow. */
  private transferee: { readonly id: MemberId; isPrompted: boolean } | undefined;
  private round = 0;
  private now = 0;
  /** One value per voter; kept to allocate nothing per acknowledgement. */
  private readonly votersScratch: Float64Array;

  /** Starts the term with a no-op: only once an entry of its own is committed does a leader know what else is. Raft paper §8. */
  constructor(options: LeadershipOptions) {
    this.id = options.id;
    this.term = options.term;
    this.log = options.log;
    this.limits = options.limits;
    this.heartbeatTicks = options.heartbeatTicks;
    this.electionTicks = options.electionTicks;
    this.send = options.send;
    this.onReadConfirmed = options.onReadConfirmed;
    this.onSnapshotNeeded = options.onSnapshotNeeded;
    this.quorum = quorumSize(options.voters.length);
    this.votersScratch = new Float64Array(options.voters.length);
    const followers = options.voters.filter((voter) => voter !== this.id);
    this.followers = new Map(followers.map((follower) => [follower, new Progress(this.log, 0)]));
    this.append(new Uint8Array());
  }

  /** @returns why `data` was not taken; undefined: it is in the log */
  propose(data: Uint8Array): RefusalReason | undefined {
    if (this.transferee !== undefined) return "transferring";
    const held = this.log.uncommittedBytes;
    if (held > 0 && held + data.length > this.limits.maxUncommittedBytes) return "too-many";
    this.append(data);
    return undefined;
  }

  private append(data: Uint8Array): void {
    this.log.appendEntry({ index: (this.log.lastIndex + 1) as LogIndex, term: this.term, data });
  }

  /** @returns why the read was not taken; undefined: it is answered later */
  readIndex(read: PendingRead): RefusalReason | undefined {
    if (this.reads.size >= this.limits.maxPendingReads) return "too-many";
    this.reads.addRead(read);
    if (this.quorum === 1) this.beginDueRound(); // nobody to ask
    return undefined;
  }

  /** Reads that this term will not answer any more. */
  pendingReads(): readonly PendingRead[] {
    return this.reads.pendingReads();
  }

  /** @returns false when no majority was heard within an election timeout: somebody else may lead by now. Raft thesis §6.2. */
  tick(): boolean {
    this.now++;
    if (this.now % this.heartbeatTicks !== 0) return true;
    let active = 1;
    for (const follower of this.followers.values()) {
      if (this.isActive(follower)) active++;
      follower.onHeartbeatDue();
    }
    if (active < this.quorum) return false;
    this.beginRound();
    return true;
  }

  private isActive(follower: Progress): boolean {
    return this.now - follower.activeAt < this.electionTicks;
  }

  /** Something of this term arrived from `from`. */
  markActive(from: MemberId): void {
    const follower = this.progressOf(from);
    follower.activeAt = this.now;
    follower.isConnected = true;
  }

  /** What was on its way to `peer` is lost; it is sent again once the follower answers a heartbeat. */
  onLinkClosed(peer: MemberId): void {
    this.followers.get(peer)?.onLinkClosed();
  }

  onAppendReply(from: MemberId, reply: AppendReply): void {
    const follower = this.progressOf(from);
    if (!reply.accepted) {
      const agreeAt = this.log.findConflictByTerm(reply.hintIndex, reply.hintTerm);
      if (follower.onAppendRefused(reply.index, agreeAt)) this.onSnapshotNeeded(from);
      return;
    }
    invariant(reply.index <= this.log.lastIndex, "acknowledged past the end of the leader's log");
    follower.onAppendAccepted(reply.index);
    this.advanceCommit();
  }

  onHeartbeatReply(from: MemberId, reply: HeartbeatReply): void {
    const follower = this.progressOf(from);
    if (reply.round > follower.round) follower.round = reply.round;
    this.answerConfirmedReads();
    if (follower.onHeartbeatReply()) this.sendAppend(from, follower.next, (follower.next - 1) as LogIndex);
  }

  /** The snapshot for `peer` arrived, or did not. */
  onSnapshotEnded(peer: MemberId): void {
    this.followers.get(peer)?.onSnapshotEnded();
  }

  /** The log begins later than it did. */
  onLogCompacted(): void {
    for (const follower of this.followers.values()) follower.onLogCompacted();
  }

  /**
   * Who leadership can be handed over to: `wanted`, or if that is undefined who holds most; in either case only one that is
   * heard, as proposals wait for it.
   */
  findTransferee(wanted: MemberId | undefined): MemberId | undefined {
    let best: MemberId | undefined;
    let bestMatch = -1;
    for (const [id, follower] of this.followers) {
      const mayLead = follower.isConnected && this.isActive(follower) && (wanted === undefined || id === wanted);
      if (!mayLead || follower.match <= bestMatch) continue;
      best = id;
      bestMatch = follower.match;
    }
    return best;
  }

  /** Takes no proposals any more, and asks `transferee` to lead once it holds everything; undefined: goes on leading. Raft thesis §3.10. */
  setTransferee(transferee: MemberId | undefined): void {
    this.transferee = transferee === undefined ? undefined : { id: transferee, isPrompted: false };
  }

  /** The leader's own copy counts only as far as it is durable. */
  onSaved(): void {
    this.advanceCommit();
  }

  private progressOf(follower: MemberId): Progress {
    const progress = this.followers.get(follower);
    invariant(progress !== undefined, "an answer from a member that is no follower");
    return progress;
  }

  /** Commits what a majority holds durably. Raft paper §5.3, §5.4. */
  private advanceCommit(): void {
    const held = this.votersScratch;
    held[0] = this.log.saved;
    let i = 1;
    for (const follower of this.followers.values()) held[i++] = follower.match;
    const index = quorumValue(held) as LogIndex;
    // Counting copies commits only entries of this term; older ones ride along. Counting
    // those directly can lose an acknowledged write (Raft paper §5.4.2, figure 8).
    if (index <= this.log.commit || this.log.termAt(index) !== this.term) return;
    this.log.commitTo(index);
    if (this.quorum === 1) this.beginDueRound();
  }

  /**
   * Sends what is due to the followers: called when messages are taken, not at every step, so that all
   * proposals, reads and acknowledgements of one turn share their messages.
   */
  sendDueMessages(): void {
    this.beginDueRound();
    for (const [id, follower] of this.followers) {
      while (follower.isAppendDue(this.limits)) this.sendAppend(id, follower.next, this.log.lastIndex);
      // A commit that no append carried is sent at once: the follower's readers wait for it.
      if (this.commitFor(follower) > follower.commitSent) this.sendHeartbeat(id, follower);
    }
    this.promptTransferee();
  }

  /** Whoever holds everything is sure to win, as nothing is added to the log meanwhile. Raft thesis §3.10. */
  private promptTransferee(): void {
    const { transferee } = this;
    if (transferee === undefined || transferee.isPrompted || this.progressOf(transferee.id).match < this.log.lastIndex)
      return;
    transferee.isPrompted = true;
    this.sendTimeoutNow(transferee.id);
  }

  private sendTimeoutNow(transferee: MemberId): void {
    this.send(transferee, { kind: "timeoutNow", term: this.term, lastIndex: this.log.lastIndex });
  }

  /** Sends entries from `from` up to `to`, as many as one message takes; none asks whether `from - 1` is held. */
  private sendAppend(id: MemberId, from: LogIndex, to: LogIndex): void {
    const follower = this.progressOf(id);
    const prevIndex = (from - 1) as LogIndex;
    const prevTerm = this.log.termAt(prevIndex);
    invariant(prevTerm !== undefined, "an append that does not follow anything in the leader's log");
    const entries = this.log.sliceEntries(from, to, this.limits.maxAppendBytes);
    this.send(id, { kind: "append", term: this.term, prevIndex, prevTerm, commit: this.log.commit, entries });
    follower.onAppendSent(entries);
    if (entries.length === 0) return;
    const taken = Math.min(this.log.commit, prevIndex + entries.length) as LogIndex;
    if (taken > follower.commitSent) follower.commitSent = taken;
  }

  /** What a follower is not known to hold it must not take for committed: it may hold something else there. */
  private commitFor(follower: Progress): LogIndex {
    return Math.min(this.log.commit, follower.match) as LogIndex;
  }

  private sendHeartbeat(id: MemberId, follower: Progress): void {
    const commit = this.commitFor(follower);
    follower.commitSent = commit;
    // A heartbeat would call off the candidacy that it was asked for; being asked again does not.
    if (this.transferee?.isPrompted === true && this.transferee.id === id) {
      this.sendTimeoutNow(id);
      return;
    }
    const heartbeat: Heartbeat = { kind: "heartbeat", term: this.term, commit, round: this.round };
    this.send(id, heartbeat);
  }

  /** Begins a round for the reads that gathered, unless they must wait: for the round before, or for the no-op. */
  private beginDueRound(): void {
    if (this.reads.isRoundDue && this.hasCommittedInTerm()) this.beginRound();
  }

  /** A new leader learns what is committed from its first own entry that is. Raft thesis §6.4. */
  private hasCommittedInTerm(): boolean {
    return this.log.termAt(this.log.commit) === this.term;
  }

  private beginRound(): void {
    this.round++;
    if (this.hasCommittedInTerm()) this.reads.beginRound(this.round, this.log.commit);
    for (const [id, follower] of this.followers) this.sendHeartbeat(id, follower);
    this.answerConfirmedReads();
  }

  private answerConfirmedReads(): void {
    if (this.reads.size === 0) return;
    const answered = this.votersScratch;
    answered[0] = this.round;
    let i = 1;
    for (const follower of this.followers.values()) answered[i++] = follower.round;
    const round = quorumValue(answered);
    for (;;) {
      const confirmed = this.reads.takeConfirmedRound(round);
      if (confirmed === undefined) return;
      for (const read of confirmed.reads) this.onReadConfirmed(read, confirmed.index);
    }
  }
}

import type { ClientAnswers } from "./client-answers.js";
import type { Configuration } from "./configuration.js";
import type { Timing } from "./election-timer.js";
import { invariant } from "./invariant.js";
import type { CoreLimits } from "./limits.js";
import type { Log } from "./log.js";
import type { Notices } from "./notices.js";
import type { Outbox } from "./outbox.js";
import { Progress } from "./progress.js";
import { quorumValue } from "./quorum.js";
import { ReadRounds, type PendingRead } from "./read-rounds.js";
import type { LogIndex, LogPosition, MemberId, Term } from "./ids.js";
import type { Append, AppendReply, HeartbeatReply, RefusalReason } from "./types.js";

/** The parts of the core that a leadership reads and changes. */
export interface LeadershipParts {
  readonly id: MemberId;
  readonly log: Log;
  readonly timing: Timing;
  readonly limits: CoreLimits;
  readonly outbox: Outbox;
  readonly answers: ClientAnswers;
  readonly notices: Notices;
}

/** The state of a leader, created for one term and dropped with it. Raft paper §5.3, §5.4. */
export class Leadership {
  private readonly id: MemberId;
  private readonly log: Log;
  private readonly limits: CoreLimits;
  private readonly timing: Timing;
  private readonly outbox: Outbox;
  private readonly answers: ClientAnswers;
  private readonly notices: Notices;
  /** The other members, learners included. */
  private followers: ReadonlyMap<MemberId, Progress> = new Map();
  /** The progress of the voters among them. */
  private votingFollowers: readonly Progress[] = [];
  private readonly reads = new ReadRounds();
  /** The transferee; `isPrompted` once it holds the whole log and was sent TimeoutNow. */
  private transferee: { readonly id: MemberId; isPrompted: boolean } | undefined;
  private round = 0;
  private now = 0;
  /** A buffer with one value per voter, so that an acknowledgement allocates nothing. */
  private votersScratch = new Float64Array();

  /** Starts the term with a no-op: a leader knows the commit index once an entry of its own term is committed. Raft paper §8. */
  constructor(
    parts: LeadershipParts,
    private readonly term: Term,
  ) {
    this.id = parts.id;
    this.log = parts.log;
    this.limits = parts.limits;
    this.timing = parts.timing;
    this.outbox = parts.outbox;
    this.answers = parts.answers;
    this.notices = parts.notices;
    this.followConfiguration();
    this.log.appendEntry({ kind: "empty", ...this.nextPosition() });
  }

  /** Appends `data`. @returns the reason of a refusal; undefined if it is in the log */
  propose(data: Uint8Array): RefusalReason | undefined {
    if (this.transferee !== undefined) return "transferring";
    const held = this.log.uncommittedBytes;
    if (held > 0 && held + data.length > this.limits.maxUncommittedBytes) return "too-many";
    this.log.appendEntry({ kind: "command", index: (this.log.lastIndex + 1) as LogIndex, term: this.term, data });
    return undefined;
  }

  /**
   * Appends the next configuration. One change at a time, and only once this leader knows the commit index: then the majorities
   * of any two configurations that may be in force share a voter. Raft thesis §4.1, with the correction of 2015.
   *
   * @returns the reason of a refusal; undefined if it is in the log, and in force
   */
  proposeConfiguration(configuration: Configuration): RefusalReason | undefined {
    if (this.transferee !== undefined) return "transferring";
    if (!this.log.isConfigurationCommitted || !this.hasCommittedInTerm()) return "changing-members";
    invariant(this.log.configuration.countVoterChanges(configuration) <= 1, "a change of more than one voter");
    invariant(configuration.isVoter(this.id), "a leader that removes itself without a transfer");
    this.log.appendEntry({ kind: "configuration", ...this.nextPosition(), configuration });
    this.followConfiguration();
    return undefined;
  }

  /** Follows the members of the log's configuration, which is in force as soon as it is appended. Raft thesis §4.1. */
  private followConfiguration(): void {
    const { configuration } = this.log;
    const followers = new Map<MemberId, Progress>();
    for (const { id } of configuration.members)
      if (id !== this.id) followers.set(id, this.followers.get(id) ?? new Progress(this.log, this.now));
    this.followers = followers;
    this.votingFollowers = [...followers].flatMap(([id, follower]) => (configuration.isVoter(id) ? [follower] : []));
    this.votersScratch = new Float64Array(configuration.voters.length);
  }

  /** Tells whether this leader is a majority by itself. */
  private get isOnlyVoter(): boolean {
    return this.votingFollowers.length === 0;
  }

  private nextPosition(): LogPosition {
    return { index: (this.log.lastIndex + 1) as LogIndex, term: this.term };
  }

  /** Adds a read to the next round. @returns the reason of a refusal; undefined if its confirmation or the term's end follows */
  readIndex(read: PendingRead): RefusalReason | undefined {
    if (this.reads.size >= this.limits.maxPendingReads) return "too-many";
    this.reads.addRead(read);
    if (this.isOnlyVoter) this.beginDueRound(); // a single voter confirms itself
    return undefined;
  }

  /** Returns the reads without an answer; called when the term ends. */
  pendingReads(): readonly PendingRead[] {
    return this.reads.pendingReads();
  }

  /** Counts a tick; begins a round of heartbeats when due. @returns false if no majority is active (CheckQuorum). Raft thesis §6.2 */
  tick(): boolean {
    this.now++;
    if (this.now % this.timing.heartbeatTicks !== 0) return true;
    const active = new Set([this.id]);
    for (const [id, follower] of this.followers) {
      if (this.isActive(follower)) active.add(id);
      follower.onHeartbeatDue();
    }
    if (!this.log.configuration.hasQuorum(active)) return false;
    this.beginRound();
    return true;
  }

  private isActive(follower: Progress): boolean {
    return this.now - follower.activeAt < this.timing.electionTicks;
  }

  /** Marks a follower active: a message of this term arrived from it. */
  markActive(from: MemberId): void {
    const follower = this.followers.get(from);
    if (follower === undefined) return;
    follower.activeAt = this.now;
    follower.isConnected = true;
  }

  /**
   * Sends a heartbeat over a new link, and probes from the match of `peer`. Without it, a member that has just started would learn
   * the leader up to one heartbeat interval later, and would get the entries that were sent before up to two intervals later.
   */
  onLinkOpened(peer: MemberId): void {
    const follower = this.followers.get(peer);
    if (follower === undefined) return;
    follower.onInflightLost();
    this.sendHeartbeat(peer, follower);
  }

  /** Treats all appends in flight to `peer` as lost, and probes from its match. */
  onLinkClosed(peer: MemberId): void {
    this.followers.get(peer)?.onLinkClosed();
  }

  /** Advances the follower's match, or searches backwards after a refusal. Raft paper §5.3. */
  onAppendReply(from: MemberId, reply: AppendReply): void {
    const follower = this.followers.get(from);
    if (follower === undefined) return; // a removed member that answers late
    if (!reply.accepted) {
      const agreeAt = this.log.findConflictByTerm(reply.hintIndex, reply.hintTerm);
      if (follower.onAppendRefused(reply.index, agreeAt))
        this.notices.addNotice({ kind: "snapshotNeeded", peer: from });
      return;
    }
    invariant(reply.index <= this.log.lastIndex, "acknowledged past the end of the leader's log");
    follower.onAppendAccepted(reply.index);
    this.advanceCommit();
  }

  /** Counts the answer for the reads of its round, and resumes a stalled follower. */
  onHeartbeatReply(from: MemberId, reply: HeartbeatReply): void {
    const follower = this.followers.get(from);
    if (follower === undefined) return;
    if (reply.round > follower.round) follower.round = reply.round;
    this.answerConfirmedReads();
    if (!follower.onHeartbeatReply()) return;
    this.sendAppend(from, follower, this.makeAppend(follower.next, (follower.next - 1) as LogIndex));
  }

  /** Probes `peer` after the end of its snapshot, successful or not. */
  onSnapshotEnded(peer: MemberId): void {
    this.followers.get(peer)?.onSnapshotEnded();
  }

  /** Adjusts the followers to the new base of the log. */
  onLogCompacted(): void {
    for (const follower of this.followers.values()) follower.onLogCompacted();
  }

  /**
   * Returns the member to transfer leadership to: `wanted`, or with undefined the one with the greatest match. Only an active,
   * connected voter qualifies, as proposals wait for it.
   */
  findTransferee(wanted: MemberId | undefined): MemberId | undefined {
    let best: MemberId | undefined;
    let bestMatch = -1;
    for (const [id, follower] of this.followers) {
      const isMeant = this.log.configuration.isVoter(id) && (wanted === undefined || id === wanted);
      const mayLead = isMeant && follower.isConnected && this.isActive(follower);
      if (!mayLead || follower.match <= bestMatch) continue;
      best = id;
      bestMatch = follower.match;
    }
    return best;
  }

  /** Stops accepting proposals and prompts `transferee` once its log is complete; undefined resumes. Raft thesis §3.10. */
  setTransferee(transferee: MemberId | undefined): void {
    this.transferee = transferee === undefined ? undefined : { id: transferee, isPrompted: false };
  }

  /** Counts the leader's own copy as far as it is durable. */
  onSaved(): void {
    this.advanceCommit();
  }

  /** Commits the entries that a majority holds durably. Raft paper, figure 2, last rule for leaders. */
  private advanceCommit(): void {
    const held = this.votersScratch;
    held[0] = this.log.savedIndex;
    let i = 1;
    for (const follower of this.votingFollowers) held[i++] = follower.match;
    const index = quorumValue(held) as LogIndex;
    // Counting copies commits only entries of this term; older ones become committed with them. Counting
    // those directly can lose an acknowledged write (Raft paper §5.4.2, figure 8).
    if (index <= this.log.commit || this.log.termAt(index) !== this.term) return;
    this.log.commitTo(index);
    if (this.isOnlyVoter) this.beginDueRound();
  }

  /**
   * Sends the due appends, commits and heartbeats. Called when messages are taken, not at every step: all proposals, reads
   * and acknowledgements of one turn of the event loop share their messages.
   */
  sendDueMessages(): void {
    this.beginDueRound();
    let append: Append | undefined;
    for (const [id, follower] of this.followers) {
      while (follower.isAppendDue(this.limits)) {
        // Followers that are equally far share a message, which is encoded once.
        if (append?.prevIndex !== follower.next - 1) append = this.makeAppend(follower.next, this.log.lastIndex);
        this.sendAppend(id, follower, append);
      }
      // A commit index that no append carried is sent at once, as reads at the follower wait for it. The follower may still be
      // writing the entries.
      if (Math.min(this.log.commit, follower.sentIndex) > follower.commitSent) this.sendCommit(id, follower);
    }
    this.promptTransferee();
  }

  /** Sends TimeoutNow to a transferee whose log is complete and, as proposals are refused, stays complete. Raft thesis §3.10. */
  private promptTransferee(): void {
    const { transferee } = this;
    if (transferee === undefined || transferee.isPrompted) return;
    if (this.followers.get(transferee.id)?.match !== this.log.lastIndex) return;
    transferee.isPrompted = true;
    this.sendTimeoutNow(transferee.id);
  }

  private sendTimeoutNow(transferee: MemberId): void {
    this.outbox.send(transferee, { kind: "timeoutNow", term: this.term, lastIndex: this.log.lastIndex });
  }

  /** Returns an append of the entries from `from` up to `to`, as many as fit; without entries it asks whether the logs match before. */
  private makeAppend(from: LogIndex, to: LogIndex): Append {
    const prevIndex = (from - 1) as LogIndex;
    const prevTerm = this.log.termAt(prevIndex);
    invariant(prevTerm !== undefined, "an append that does not follow anything in the leader's log");
    const entries = this.log.sliceEntries(from, to, this.limits.maxAppendBytes);
    return { kind: "append", term: this.term, prevIndex, prevTerm, commit: this.log.commit, entries };
  }

  private sendAppend(id: MemberId, follower: Progress, append: Append): void {
    const { entries, prevIndex } = append;
    this.outbox.send(id, append);
    follower.onAppendSent(entries);
    if (entries.length === 0) return;
    const taken = Math.min(this.log.commit, prevIndex + entries.length) as LogIndex;
    if (taken > follower.commitSent) follower.commitSent = taken;
  }

  /**
   * Sends the commit index, at most that of the last entry sent. The receiver commits only up to the entries that it has from this
   * term's appends: its log may differ beyond them.
   */
  private sendCommit(id: MemberId, follower: Progress): void {
    const commit = Math.min(this.log.commit, follower.sentIndex) as LogIndex;
    follower.commitSent = commit;
    if (this.isPrompted(id)) this.sendTimeoutNow(id);
    else this.outbox.send(id, { kind: "commit", term: this.term, commit });
  }

  private sendHeartbeat(id: MemberId, follower: Progress): void {
    // A heartbeat may be the first message of the term: the follower's log may differ beyond its match. Raft paper §5.3.
    const commit = Math.min(this.log.commit, follower.match) as LogIndex;
    if (commit > follower.commitSent) follower.commitSent = commit;
    if (this.isPrompted(id)) this.sendTimeoutNow(id);
    else this.outbox.send(id, { kind: "heartbeat", term: this.term, commit, round: this.round });
  }

  /** Tells whether `id` was sent TimeoutNow: a heartbeat or commit of the leader would end its candidacy, another TimeoutNow does not. */
  private isPrompted(id: MemberId): boolean {
    return this.transferee?.isPrompted === true && this.transferee.id === id;
  }

  /** Begins a round for the waiting reads, unless the previous round or the no-op is pending. */
  private beginDueRound(): void {
    if (this.reads.isRoundDue && this.hasCommittedInTerm()) this.beginRound();
  }

  /** Tells whether an entry of this term is committed; before, a leader does not know the commit index. Raft thesis §6.4. */
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
    for (const follower of this.votingFollowers) answered[i++] = follower.round;
    const round = quorumValue(answered);
    for (;;) {
      const confirmed = this.reads.takeConfirmedRound(round);
      if (confirmed === undefined) return;
      for (const read of confirmed.reads) this.confirmRead(read, confirmed.index);
    }
  }

  /** Confirms a read: once `index` is applied it sees every write acknowledged before it began. Raft thesis §6.4. */
  private confirmRead({ from, request }: PendingRead, index: LogIndex): void {
    if (from === this.id) this.answers.confirmRead({ request, index });
    else this.outbox.send(from, { kind: "forwardedReadReply", request, index });
  }
}

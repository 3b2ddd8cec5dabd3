import { ElectionTimer } from "./election-timer.js";
import { ForwardedReads } from "./forwarded-reads.js";
import { assertNever, invariant } from "./invariant.js";
import { Leadership } from "./leadership.js";
import { defaultLimits, type CoreLimits } from "./limits.js";
import { Log } from "./log.js";
import { Ballot } from "./quorum.js";
import type { PendingRead } from "./read-rounds.js";
import {
  noMember,
  type Append,
  type AppendReply,
  type CoreStatus,
  type Entry,
  type ForwardedReadReply,
  type HardState,
  type Heartbeat,
  type HeartbeatReply,
  type Input,
  type LogIndex,
  type MemberId,
  type Outgoing,
  type PeerMessage,
  type PreVote,
  type PreVoteReply,
  type ReadState,
  type Refusal,
  type RefusalReason,
  type Role,
  type Term,
  type Unsaved,
  type Vote,
  type VoteReply,
} from "./types.js";

export interface CoreOptions {
  readonly id: MemberId;
  /** All voting members, this one included. */
  readonly voters: readonly MemberId[];
  /** As recovered; term 0, no vote, commit 0 when new. */
  readonly hardState: HardState;
  /** As recovered: all durable, without a gap, from index 1 on. */
  readonly entries: readonly Entry[];
  /** The state machine holds these already: they are committed and are not handed out again. */
  readonly applied: LogIndex;
  readonly heartbeatTicks: number;
  /** The least election timeout; each wait is random in [electionTicks, 2 × electionTicks). */
  readonly electionTicks: number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly limits?: Partial<CoreLimits>;
}

const nothing: readonly never[] = [];

/**
 * One member's part in Raft: decides, and does nothing. It is stepped with everything that happens, and what
 * it owes the world is taken from it, part by part:
 *
 * ```text
 * step(input)…                 any number of times, also while a write is under way
 * send(takeMessages())         may leave at once: they speak of nothing that is not durable
 * unsaved = takeUnsaved()      only while no write is under way
 *   write unsaved.hardState and unsaved.entries; nothing to write if neither is there
 *   send(unsaved.replies)      once that is durable
 *   saved(unsaved)
 * apply(takeCommitted())       until it gives none
 * ```
 *
 * A message leaves at once if the term and vote it speaks of, and for an acknowledgement the entries, are
 * durable; otherwise it waits for the write that makes them so. Hence nothing said is ever forgotten.
 *
 * @throws InvariantError from any method if what consensus rests on is broken; the member must stop
 */
export class RaftCore {
  private readonly id: MemberId;
  private readonly voters: readonly MemberId[];
  private readonly peers: readonly MemberId[];
  private readonly heartbeatTicks: number;
  private readonly electionTicks: number;
  private readonly limits: CoreLimits;
  private readonly log: Log;
  private readonly timer: ElectionTimer;

  private role: Role = "follower";
  private term: Term;
  private vote: MemberId;
  /** The leader that is heard; `noMember` also when its link closed or it was silent for too long. */
  private leader: MemberId = noMember;
  /** Who was seen leading this term; stays when `leader` is forgotten. */
  private elected: MemberId = noMember;
  /** While leader. */
  private leadership: Leadership | undefined;
  /** While pre-candidate or candidate. */
  private ballot: Ballot | undefined;
  /** The leader is known to be gone, and nobody contradicted yet: members campaign in turn, in short windows. */
  private hurried = true;
  /** Whose link closed last while it led: it takes no turn. */
  private lostLeader: MemberId = noMember;

  /** What was last handed to the disk, and what is durable of it. */
  private written: HardState;
  private durable: HardState;
  private writing: Unsaved | undefined;

  private messages: Outgoing[] = [];
  private replies: Outgoing[] = [];
  private readStates: ReadState[] = [];
  private refusals: Refusal[] = [];
  private readonly forwardedReads: ForwardedReads;
  private now = 0;

  constructor(options: CoreOptions) {
    invariant(options.voters.includes(options.id), "a member that is not among its voters");
    this.id = options.id;
    this.voters = options.voters.toSorted((a, b) => (a < b ? -1 : 1));
    this.peers = this.voters.filter((voter) => voter !== this.id);
    this.heartbeatTicks = options.heartbeatTicks;
    this.electionTicks = options.electionTicks;
    this.limits = { ...defaultLimits, ...options.limits };
    this.log = new Log({ entries: options.entries, commit: options.hardState.commit, applied: options.applied });
    this.term = options.hardState.term;
    this.vote = options.hardState.vote;
    invariant(this.log.lastTerm <= this.term, "an entry of a later term than the hard state's");
    this.written = this.durable = options.hardState;
    this.forwardedReads = new ForwardedReads(Math.floor(options.random() * 2 ** 48));
    this.timer = new ElectionTimer(options);
    // Nobody leads as far as this member knows: the same case as a leader whose link closed.
    if (this.peers.length === 0) this.campaign();
    else this.timer.hurry(this.rank());
  }

  /** Takes in one thing that happened. */
  step(input: Input): void {
    switch (input.kind) {
      case "tick":
        this.onTick();
        return;
      case "receive":
        this.onReceive(input.from, input.message);
        return;
      case "propose":
        this.onPropose(input.proposal, input.data);
        return;
      case "readIndex":
        this.onReadIndex(input.request);
        return;
      case "linkClosed":
        this.onLinkClosed(input.peer);
        return;
      default:
        assertNever(input);
    }
  }

  /** Messages that may leave at once, beside a write under way. */
  takeMessages(): readonly Outgoing[] {
    this.leadership?.flush();
    if (this.messages.length === 0) return nothing;
    const messages = this.messages;
    this.messages = [];
    return messages;
  }

  /**
   * The next write. Undefined: nothing to write, nothing to say. With neither a hard state nor entries there is
   * nothing to write, and the replies may leave at once; calling `saved` for it is allowed and does nothing.
   */
  takeUnsaved(): Unsaved | undefined {
    invariant(this.writing === undefined, "a second write while one is under way");
    const entries = this.log.takeUnwritten();
    const hardState = this.changedHardState(entries.length > 0);
    const mustWrite = hardState !== undefined || entries.length > 0;
    if (!mustWrite && this.replies.length === 0) return undefined;
    const unsaved: Unsaved = { hardState, entries, replies: this.replies };
    this.replies = [];
    if (mustWrite) this.writing = unsaved;
    return unsaved;
  }

  /** `unsaved` is durable. */
  saved(unsaved: Unsaved): void {
    if (unsaved !== this.writing) {
      invariant(
        unsaved.hardState === undefined && unsaved.entries.length === 0,
        "the end of a write that did not begin",
      );
      return;
    }
    this.writing = undefined;
    this.durable = this.written;
    this.log.markSaved();
    this.leadership?.onSaved();
    // Its own vote counts once it cannot be forgotten and given to another. Raft paper §5.2.
    if (this.role === "candidate" && this.isHardStateDurable()) this.recordVote(this.id, true);
  }

  /** Committed entries that are durable here, in order, each once; a bounded amount, so take until there are none. */
  takeCommitted(): readonly Entry[] {
    return this.log.takeCommitted(this.limits.maxCommittedBytes);
  }

  /** Reads that may be answered once everything up to their index is applied. */
  takeReadStates(): readonly ReadState[] {
    if (this.readStates.length === 0) return nothing;
    const readStates = this.readStates;
    this.readStates = [];
    return readStates;
  }

  /** Proposals and reads that were not taken. */
  takeRefusals(): readonly Refusal[] {
    if (this.refusals.length === 0) return nothing;
    const refusals = this.refusals;
    this.refusals = [];
    return refusals;
  }

  status(): CoreStatus {
    return {
      id: this.id,
      role: this.role,
      term: this.term,
      vote: this.vote,
      leader: this.leader,
      commit: this.log.commit,
      lastIndex: this.log.lastIndex,
      savedIndex: this.log.saved,
    };
  }

  // What is durable, and what must wait for it.

  /** The commit index rides along with what must be written anyway; after a crash it is learned again. */
  private changedHardState(hasEntries: boolean): HardState | undefined {
    const { term, vote, commit } = this.written;
    const changed = term !== this.term || vote !== this.vote || (hasEntries && commit !== this.log.commit);
    if (!changed) return undefined;
    this.written = { term: this.term, vote: this.vote, commit: this.log.commit };
    return this.written;
  }

  private isHardStateDurable(): boolean {
    return this.durable.term === this.term && this.durable.vote === this.vote;
  }

  private send(to: MemberId, message: PeerMessage): void {
    (this.isHardStateDurable() ? this.messages : this.replies).push({ to, message });
  }

  /** Tells the leader that our log agrees with its own up to `index`, as soon as a crash could not undo it. */
  private acknowledge(to: MemberId, index: LogIndex): void {
    const message: AppendReply = {
      kind: "appendReply",
      term: this.term,
      accepted: true,
      index,
      hintIndex: 0 as LogIndex,
      hintTerm: 0 as Term,
    };
    const isDurable = this.isHardStateDurable() && index <= this.log.saved;
    (isDurable ? this.messages : this.replies).push({ to, message });
  }

  // Terms and leaders.

  private adoptTerm(term: Term): void {
    invariant(term > this.term, "a term that goes back");
    this.term = term;
    this.vote = noMember;
    this.elected = noMember;
    this.changeLeader(noMember);
    this.replies = []; // answers of an older term are of use to nobody
  }

  /** Takes note of another member's term. @returns whether its message is of our own term */
  private observe(term: Term): boolean {
    if (term > this.term) {
      this.adoptTerm(term);
      this.becomeFollower(noMember);
    }
    return term === this.term;
  }

  /** Any role gives way; the wait for the next candidacy begins anew. */
  private becomeFollower(leader: MemberId): void {
    this.role = "follower";
    this.ballot = undefined;
    this.endLeadership();
    this.changeLeader(leader);
    this.hurried = false;
    this.timer.wait();
  }

  private endLeadership(): void {
    const unanswered = this.leadership?.unansweredReads() ?? [];
    this.leadership = undefined;
    for (const read of unanswered) if (read.from === this.id) this.refuse("read", read.request, "no-leader");
  }

  /** Reads that were asked of the leader before are lost with it. */
  private changeLeader(leader: MemberId): void {
    if (leader === this.leader) return;
    this.leader = leader;
    this.giveUpForwardedReads(Infinity);
  }

  /** An append or heartbeat of our term or a later one: `from` leads it. Raft paper §5.2. */
  private follow(from: MemberId, term: Term): void {
    if (term > this.term) this.adoptTerm(term);
    if (this.elected !== from) {
      invariant(this.elected === noMember, "two leaders in one term");
      this.elected = from;
    }
    if (this.leader === from) this.timer.restart();
    else this.becomeFollower(from);
  }

  /** Whether a leader works, as far as this member knows: then it helps nobody to unseat it. Raft thesis §4.2.3, §9.6. */
  private hearsLeader(): boolean {
    return this.role === "leader" || (this.leader !== noMember && this.timer.isFresh);
  }

  // Time, and links that close.

  private onTick(): void {
    this.now++;
    this.giveUpForwardedReads(this.now);
    if (this.leadership !== undefined) {
      if (!this.leadership.tick()) this.becomeFollower(noMember);
    } else if (this.timer.tick()) this.campaign();
  }

  private onLinkClosed(peer: MemberId): void {
    this.leadership?.linkClosed(peer);
    if (peer !== this.leader) return;
    this.lostLeader = peer;
    this.changeLeader(noMember);
    this.hurry();
  }

  /** Begins waiting for this member's turn, with the leader gone. Refusals from before do not count any more. */
  private hurry(): void {
    this.role = "follower";
    this.ballot = undefined;
    this.hurried = true;
    this.timer.hurry(this.rank());
  }

  /** This member's place among those that may follow the lost leader. */
  private rank(): number {
    return this.voters.filter((voter) => voter !== this.lostLeader).indexOf(this.id);
  }

  // Elections.

  /** Asks whether a candidacy would succeed, which disturbs nobody if it would not. Raft thesis §9.6. */
  private campaign(): void {
    this.changeLeader(noMember);
    if (this.peers.length === 0) {
      this.runForLeader(); // nobody to ask
      return;
    }
    if (this.role !== "preCandidate" || !this.hurried) {
      this.role = "preCandidate";
      this.ballot = new Ballot(this.voters);
    }
    // Without an answer, in a hurry, those that were silent are asked again, a window later than before.
    if (this.hurried) this.timer.hurry(this.rank() + 1);
    else this.timer.wait();
    this.recordPreVote(this.id, true);
    const term = (this.term + 1) as Term;
    this.askForVotes({ kind: "preVote", term, lastIndex: this.log.lastIndex, lastTerm: this.log.lastTerm });
  }

  private askForVotes(message: PreVote | Vote): void {
    for (const peer of this.peers) if (this.ballot?.hasAnswered(peer) === false) this.send(peer, message);
  }

  private recordPreVote(voter: MemberId, granted: boolean): void {
    this.ballot?.record(voter, granted);
    if (this.ballot?.won === true) this.runForLeader();
  }

  /** Raft paper §5.2. The requests wait for the write of term and vote; so does the own vote, see `saved`. */
  private runForLeader(): void {
    this.adoptTerm((this.term + 1) as Term);
    this.role = "candidate";
    this.vote = this.id;
    this.ballot = new Ballot(this.voters);
    this.timer.wait();
    this.askForVotes({ kind: "vote", term: this.term, lastIndex: this.log.lastIndex, lastTerm: this.log.lastTerm });
  }

  private recordVote(voter: MemberId, granted: boolean): void {
    this.ballot?.record(voter, granted);
    if (this.ballot?.won === true) this.becomeLeader();
  }

  private becomeLeader(): void {
    invariant(this.elected === noMember, "two leaders in one term");
    invariant(this.isHardStateDurable(), "a leader of a term that it may forget");
    this.role = "leader";
    this.ballot = undefined;
    this.elected = this.id;
    this.changeLeader(this.id);
    this.hurried = false;
    this.leadership = new Leadership({
      id: this.id,
      term: this.term,
      voters: this.voters,
      log: this.log,
      limits: this.limits,
      heartbeatTicks: this.heartbeatTicks,
      electionTicks: this.electionTicks,
      send: (to, message) => this.send(to, message),
      answerRead: (read, index) => this.answerRead(read, index),
    });
  }

  private onPreVote(from: MemberId, request: PreVote): void {
    const upToDate = this.log.isUpToDate(request.lastIndex, request.lastTerm);
    const free = request.term > this.term || (request.term === this.term && this.mayVoteFor(from));
    const granted = free && upToDate && !this.hearsLeader();
    this.send(from, { kind: "preVoteReply", term: granted ? request.term : this.term, granted });
    if (!upToDate) this.takeTurn();
  }

  private onPreVoteReply(from: MemberId, reply: PreVoteReply): void {
    if (!reply.granted) this.observe(reply.term); // granted, it is our own term + 1
    if (this.role !== "preCandidate") return;
    if (reply.granted) {
      if (reply.term === this.term + 1) this.recordPreVote(from, true);
      return;
    }
    this.recordPreVote(from, false);
    if (this.hurried) {
      // Somebody hears the leader, or holds more than we do: no reason for haste.
      this.hurried = false;
      this.timer.wait();
    }
  }

  private onVote(from: MemberId, request: Vote): void {
    // A working leader is not given up for a member that lost sight of it. Raft thesis §4.2.3.
    if (request.term > this.term && this.hearsLeader()) return;
    const isCurrent = this.observe(request.term);
    const upToDate = this.log.isUpToDate(request.lastIndex, request.lastTerm);
    const granted = isCurrent && upToDate && this.mayVoteFor(from);
    if (granted) {
      this.vote = from;
      this.timer.wait();
    }
    this.send(from, { kind: "voteReply", term: this.term, granted });
    if (!upToDate) this.takeTurn();
  }

  private onVoteReply(from: MemberId, reply: VoteReply): void {
    if (!this.observe(reply.term) || this.role !== "candidate") return;
    this.recordVote(from, reply.granted);
    // A split vote: the next turn comes soon if the leader is known to be gone.
    if (!reply.granted && this.hurried) this.timer.hurry(this.rank() + 1);
  }

  /** At most one vote per term. Raft paper §5.2. */
  private mayVoteFor(candidate: MemberId): boolean {
    return this.vote === candidate || (this.vote === noMember && this.elected === noMember);
  }

  /**
   * A member that wants to lead holds less than this one, which therefore refused it: with nobody leading,
   * this one should ask, and not only after a whole timeout.
   */
  private takeTurn(): void {
    const isIdle = this.role === "follower" || this.role === "preCandidate";
    if (isIdle && this.leader === noMember && !this.hurried) this.hurry();
  }

  // What members say to each other.

  private onReceive(from: MemberId, message: PeerMessage): void {
    if (!this.peers.includes(from)) return; // no member, no say
    switch (message.kind) {
      case "preVote":
        this.onPreVote(from, message);
        return;
      case "preVoteReply":
        this.onPreVoteReply(from, message);
        return;
      case "vote":
        this.onVote(from, message);
        return;
      case "voteReply":
        this.onVoteReply(from, message);
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
      case "forwardedProposal":
        this.onForwardedProposal(message.data);
        return;
      case "forwardedRead":
        this.leadership?.read({ from, request: message.request }); // not taken: the asker gives up on it
        return;
      case "forwardedReadReply":
        this.onForwardedReadReply(from, message);
        return;
      default:
        assertNever(message);
    }
  }

  // The log.

  private onAppend(from: MemberId, append: Append): void {
    if (append.term < this.term) {
      this.refuseAppend(from, append); // so that a leader that was cut off learns of the new term
      return;
    }
    this.follow(from, append.term);
    const { prevIndex, prevTerm, entries } = append;
    if (this.log.termAt(prevIndex) !== prevTerm) {
      this.refuseAppend(from, append);
      return;
    }
    invariant(entries[0] === undefined || entries[0].index === prevIndex + 1, "an append with a gap");
    this.log.merge(entries);
    // Beyond what this message vouches for, our log may differ from the leader's. Raft paper, figure 2.
    const agreeAt = (prevIndex + entries.length) as LogIndex;
    this.log.commitTo(Math.min(append.commit, agreeAt) as LogIndex);
    this.acknowledge(from, agreeAt);
  }

  private refuseAppend(to: MemberId, { prevIndex, prevTerm }: Append): void {
    const hintIndex = this.log.lastOfTermAtMost(prevIndex, prevTerm);
    const hintTerm = this.log.termAt(hintIndex) ?? (0 as Term);
    this.send(to, { kind: "appendReply", term: this.term, accepted: false, index: prevIndex, hintIndex, hintTerm });
  }

  private onAppendReply(from: MemberId, reply: AppendReply): void {
    if (!this.observe(reply.term)) return;
    this.leadership?.heard(from);
    this.leadership?.onAppendReply(from, reply);
  }

  private onHeartbeat(from: MemberId, heartbeat: Heartbeat): void {
    if (heartbeat.term >= this.term) {
      this.follow(from, heartbeat.term);
      this.log.commitTo(heartbeat.commit);
    }
    this.send(from, { kind: "heartbeatReply", term: this.term, round: heartbeat.round });
  }

  private onHeartbeatReply(from: MemberId, reply: HeartbeatReply): void {
    if (!this.observe(reply.term)) return;
    this.leadership?.heard(from);
    this.leadership?.onHeartbeatReply(from, reply);
  }

  // What clients want.

  private refuse(what: Refusal["what"], number: number, reason: RefusalReason): void {
    this.refusals.push({ what, number, reason });
  }

  private onPropose(proposal: number, data: Uint8Array): void {
    invariant(data.length > 0, "an empty proposal: that is what a leader's no-op looks like");
    if (this.leadership !== undefined) {
      const reason = this.leadership.propose(data);
      if (reason !== undefined) this.refuse("proposal", proposal, reason);
    } else if (this.leader === noMember) this.refuse("proposal", proposal, "no-leader");
    else this.messages.push({ to: this.leader, message: { kind: "forwardedProposal", data } });
  }

  /** Refused silently: the member that forwarded it cannot know anyway whether it arrived. */
  private onForwardedProposal(data: Uint8Array): void {
    if (data.length > 0) this.leadership?.propose(data);
  }

  private onReadIndex(request: number): void {
    if (this.leadership !== undefined) {
      const reason = this.leadership.read({ from: this.id, request });
      if (reason !== undefined) this.refuse("read", request, reason);
    } else if (this.leader === noMember) this.refuse("read", request, "no-leader");
    else if (this.forwardedReads.size >= this.limits.maxPendingReads) this.refuse("read", request, "too-many");
    else this.forwardRead(request);
  }

  private forwardRead(request: number): void {
    const number = this.forwardedReads.add({ request, giveUpAt: this.now + this.electionTicks });
    this.messages.push({ to: this.leader, message: { kind: "forwardedRead", request: number } });
  }

  private onForwardedReadReply(from: MemberId, reply: ForwardedReadReply): void {
    if (from !== this.leader) return;
    const request = this.forwardedReads.take(reply.request);
    if (request !== undefined) this.readStates.push({ request, index: reply.index });
  }

  /** A forwarded read or its answer can be lost without the link closing; asking again does no harm. */
  private giveUpForwardedReads(dueBy: number): void {
    for (;;) {
      const request = this.forwardedReads.takeExpired(dueBy);
      if (request === undefined) return;
      this.refuse("read", request, "no-leader");
    }
  }

  private answerRead(read: PendingRead, index: LogIndex): void {
    if (read.from === this.id) this.readStates.push({ request: read.request, index });
    else this.send(read.from, { kind: "forwardedReadReply", request: read.request, index });
  }
}

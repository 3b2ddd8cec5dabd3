import type { CurrentTerm } from "./current-term.js";
import type { ElectionTimer } from "./election-timer.js";
import { invariant } from "./invariant.js";
import type { LeaderRole } from "./leader-role.js";
import type { Log } from "./log.js";
import type { Outbox } from "./outbox.js";
import { Ballot } from "./ballot.js";
import { noMember, type MemberId, type Term } from "./ids.js";
import type { PreVote, PreVoteReply, Role, TimeoutNow, Vote, VoteReply } from "./types.js";

/** The parts of the core that elections read and change. */
export interface ElectionsParts {
  readonly id: MemberId;
  readonly log: Log;
  readonly timer: ElectionTimer;
  readonly current: CurrentTerm;
  readonly outbox: Outbox;
  readonly leaderRole: LeaderRole;
}

/** The leader election of one member: terms, votes, candidacies. Raft paper §5.2, §5.4.1; PreVote: thesis §9.6. */
export class Elections {
  private readonly id: MemberId;
  private readonly log: Log;
  private readonly timer: ElectionTimer;
  private readonly current: CurrentTerm;
  private readonly outbox: Outbox;
  private readonly leaderRole: LeaderRole;

  private ownRole: Role = "follower";
  private knownLeader: MemberId = noMember;
  /** The member that was seen leading this term; kept when `leader` is reset. */
  private leaderOfTerm: MemberId = noMember;
  /** The answers to the current candidacy; undefined for followers and leaders. */
  private ballot: Ballot | undefined;
  /**
   * Tells whether members campaign in turn: since the start, or since the leader's link closed, no leader and no later term was seen
   * and no member has refused a PreVote.
   */
  private isLeaderGone = true;
  /** The leader or expected leader whose link closed last; it has no turn. */
  private lostLeader: MemberId = noMember;
  /** The current candidacy follows a TimeoutNow. */
  private isTransfer = false;
  /** Suppresses candidacies, while a snapshot is installed. */
  isPaused = false;

  constructor({ id, log, timer, current, outbox, leaderRole }: ElectionsParts) {
    this.id = id;
    this.log = log;
    this.timer = timer;
    this.current = current;
    this.outbox = outbox;
    this.leaderRole = leaderRole;
  }

  /** Starts the first wait: no leader is known, as after a closed link. A single voter campaigns at once. */
  start(): void {
    if (this.isOnlyVoter) this.campaign({ isTransfer: false });
    else this.startTurn(0);
  }

  /** Tells whether this member votes in the configuration in force. */
  private get isVoter(): boolean {
    return this.log.configuration.isVoter(this.id);
  }

  private get isOnlyVoter(): boolean {
    return this.isVoter && this.log.configuration.voters.length === 1;
  }

  /** The role in the current term. */
  get role(): Role {
    return this.ownRole;
  }

  /** The known leader; `noMember` also after its link closed or the election timeout elapsed. */
  get leader(): MemberId {
    return this.knownLeader;
  }

  // Terms and leaders.

  private adoptTerm(term: Term): void {
    this.current.adoptTerm(term);
    this.leaderOfTerm = noMember;
    this.setLeader(noMember);
    this.outbox.dropReplies(); // the replies are of the former term
  }

  /** Adopts `term` if it is newer. @returns whether the message is of the current term. Raft paper §5.1 */
  observeTerm(term: Term): boolean {
    if (term > this.current.term) {
      this.adoptTerm(term);
      this.becomeFollower(noMember);
    }
    return term === this.current.term;
  }

  /** Follows `from` after an append, heartbeat or commit of the current term or a later one. Raft paper §5.2. */
  followLeader(from: MemberId, term: Term): void {
    if (term > this.current.term) this.adoptTerm(term);
    this.recordLeader(from);
    if (this.knownLeader === from) this.timer.resetElapsed();
    else this.becomeFollower(from);
  }

  /** Records the leader of the current term. There is only one. */
  private recordLeader(leader: MemberId): void {
    if (this.leaderOfTerm === leader) return;
    invariant(this.leaderOfTerm === noMember, "two leaders in one term");
    this.leaderOfTerm = leader;
  }

  /** Records that `leader` led `term`, perhaps some time ago. */
  learnLeader(leader: MemberId, term: Term): void {
    this.observeTerm(term);
    this.recordLeader(leader);
    if (this.ownRole !== "follower") this.becomeFollower(noMember); // the term has a leader
  }

  /** Becomes follower without a leader: no majority is active. Raft thesis §6.2. */
  stepDown(): void {
    this.becomeFollower(noMember);
  }

  /** Becomes follower of `leader` from any role and restarts the election timeout. */
  private becomeFollower(leader: MemberId): void {
    this.ownRole = "follower";
    this.ballot = undefined;
    this.leaderRole.endLeadership();
    this.setLeader(leader);
    this.isLeaderGone = false;
    this.timer.startTimeout();
  }

  private setLeader(leader: MemberId): void {
    if (leader === this.knownLeader) return;
    this.knownLeader = leader;
    this.leaderRole.onLeaderChanged(leader);
  }

  /** Tells whether a leader sent a message within the least election timeout. Raft thesis §4.2.3, §9.6; etcd `inLease`. */
  private hasActiveLeader(): boolean {
    return this.ownRole === "leader" || (this.knownLeader !== noMember && this.timer.isWithinElectionTimeout);
  }

  // Timeouts and closed links.

  /** Counts a tick of a member that does not lead; campaigns when the timeout has elapsed. */
  tick(): void {
    if (this.timer.tick() && !this.isPaused) this.campaign({ isTransfer: false });
  }

  /** Starts waiting for this member's turn if the closed link was the leader's. */
  onLinkClosed(peer: MemberId): void {
    if (peer !== this.knownLeader && !this.isAwaitedCandidate(peer)) return;
    this.lostLeader = peer;
    this.setLeader(noMember);
    this.waitForTurn();
  }

  /** Tells whether this member voted for `candidate` and has not seen it lead yet. */
  private isAwaitedCandidate(candidate: MemberId): boolean {
    const isIdle = this.ownRole === "follower" && !this.isLeaderGone;
    return isIdle && this.current.vote === candidate && this.leaderOfTerm === noMember;
  }

  /** Waits for this member's turn to campaign. Earlier refusals no longer count. */
  private waitForTurn(): void {
    this.ownRole = "follower";
    this.ballot = undefined;
    this.isLeaderGone = true;
    this.startTurn(0);
  }

  /**
   * Waits for this member's turn, `later` turns later. The order is that of the voters without the lost leader. A learner has
   * no turn: it waits for an election timeout.
   */
  private startTurn(later: number): void {
    const rank = this.log.configuration.voters.filter((voter) => voter !== this.lostLeader).indexOf(this.id);
    if (rank < 0) this.timer.startTimeout();
    else this.timer.startTurn(rank + later);
  }

  /**
   * Waits for a turn after refusing a candidate whose log is behind: without a leader this member should campaign
   * before a whole election timeout elapses.
   */
  private waitForTurnIfIdle(): void {
    const isIdle = this.ownRole === "follower" || this.ownRole === "preCandidate";
    if (isIdle && this.knownLeader === noMember && !this.isLeaderGone) this.waitForTurn();
  }

  // Candidacies.

  /** Becomes pre-candidate and requests pre-votes; a single voter becomes candidate at once, a learner waits. Raft thesis §9.6. */
  private campaign({ isTransfer }: { isTransfer: boolean }): void {
    this.setLeader(noMember);
    if (!this.isVoter) {
      this.timer.startTimeout(); // a learner never leads: it waits for the next leader to send it the log
      return;
    }
    if (this.isOnlyVoter) {
      this.becomeCandidate(); // there are no other voters to ask
      return;
    }
    // In turns, and after another TimeoutNow, only the members that have not answered are asked again.
    const asksAgain =
      this.ownRole === "preCandidate" && isTransfer === this.isTransfer && (this.isLeaderGone || isTransfer);
    if (!asksAgain) {
      this.ownRole = "preCandidate";
      this.ballot = new Ballot(this.log.configuration);
      this.isTransfer = isTransfer;
    }
    if (this.isLeaderGone) this.startTurn(1);
    else this.timer.startTimeout();
    this.recordPreVote(this.id, true);
    const term = (this.current.term + 1) as Term;
    this.requestVotes("preVote", term);
  }

  private requestVotes(kind: "preVote" | "vote", term: Term): void {
    const { lastIndex, lastTerm } = this.log;
    const message: PreVote | Vote = { kind, term, lastIndex, lastTerm, transfer: this.isTransfer };
    for (const voter of this.log.configuration.voters)
      if (voter !== this.id && this.ballot?.hasAnswered(voter) === false) this.outbox.send(voter, message);
  }

  private recordPreVote(voter: MemberId, granted: boolean): void {
    this.ballot?.recordAnswer(voter, granted);
    if (this.ballot?.isWon === true) this.becomeCandidate();
  }

  /** Becomes candidate and requests votes. The requests, and the own vote, wait until term and vote are durable. Raft paper §5.2. */
  private becomeCandidate(): void {
    this.adoptTerm((this.current.term + 1) as Term);
    this.ownRole = "candidate";
    this.current.voteFor(this.id);
    this.ballot = new Ballot(this.log.configuration);
    this.timer.startTimeout();
    this.requestVotes("vote", this.current.term);
  }

  /** Counts a candidate's own vote once it is durable: after a crash it could be given to another member. Raft paper §5.2. */
  onSaved(): void {
    if (this.ownRole === "candidate" && this.outbox.isHardStateDurable) this.recordVote(this.id, true);
  }

  private recordVote(voter: MemberId, granted: boolean): void {
    this.ballot?.recordAnswer(voter, granted);
    if (this.ballot?.isWon === true) this.becomeLeader();
  }

  private becomeLeader(): void {
    invariant(this.leaderOfTerm === noMember, "two leaders in one term");
    invariant(this.outbox.isHardStateDurable, "a leader of a term that it may forget");
    this.ownRole = "leader";
    this.ballot = undefined;
    this.leaderOfTerm = this.id;
    this.setLeader(this.id);
    this.isLeaderGone = false;
    this.leaderRole.beginLeadership(this.current.term);
  }

  // Messages of candidates and voters.

  /** Answers a PreVote: granted if the log is up to date and no leader is active. Raft thesis §9.6. */
  onPreVote(from: MemberId, request: PreVote): void {
    const upToDate = this.log.isUpToDate(request.lastIndex, request.lastTerm);
    const free = request.term > this.current.term || (request.term === this.current.term && this.canVoteFor(from));
    const granted = free && upToDate && !this.shouldKeepLeader(from, request);
    this.outbox.send(from, { kind: "preVoteReply", term: granted ? request.term : this.current.term, granted });
    if (!upToDate) this.waitForTurnIfIdle();
  }

  /**
   * Tells whether to refuse a PreVote because an active leader exists that did not ask for the election. Only the leader knows its
   * transferee, so only the leader refuses a candidacy whose TimeoutNow came late.
   */
  private shouldKeepLeader(from: MemberId, { transfer }: PreVote): boolean {
    if (!this.hasActiveLeader()) return false;
    if (!transfer) return true;
    return this.ownRole === "leader" && this.leaderRole.transferee !== from;
  }

  /** Counts a pre-vote; becomes candidate with a majority. */
  onPreVoteReply(from: MemberId, reply: PreVoteReply): void {
    if (!reply.granted) this.observeTerm(reply.term); // a granted reply has our own term + 1
    if (this.ownRole !== "preCandidate") return;
    if (reply.granted) {
      if (reply.term === this.current.term + 1) this.recordPreVote(from, true);
      return;
    }
    this.recordPreVote(from, false);
    if (this.isLeaderGone) {
      // A peer has an active leader or a longer log: wait for a whole election timeout.
      this.isLeaderGone = false;
      this.timer.startTimeout();
    }
  }

  /**
   * Answers RequestVote. Raft paper, figure 2, RequestVote rules 1 and 2. The candidate decides whose votes count: its configuration
   * may be later than this member's, so this member answers even if its own configuration does not list it. Raft thesis §4.1.
   */
  onVote(from: MemberId, request: Vote): void {
    // An active leader is kept (Raft thesis §4.2.3), unless it sent the candidate TimeoutNow (§3.10): a majority then
    // agreed in the PreVote before.
    if (request.term > this.current.term && this.hasActiveLeader() && !request.transfer) return;
    const isCurrent = this.observeTerm(request.term);
    const upToDate = this.log.isUpToDate(request.lastIndex, request.lastTerm);
    const granted = isCurrent && upToDate && this.canVoteFor(from);
    if (granted) {
      this.current.voteFor(from);
      this.timer.startTimeout();
    }
    this.outbox.send(from, { kind: "voteReply", term: this.current.term, granted });
    if (!upToDate) this.waitForTurnIfIdle();
  }

  /** Counts a vote; becomes leader with a majority. Raft paper §5.2. */
  onVoteReply(from: MemberId, reply: VoteReply): void {
    if (!this.observeTerm(reply.term) || this.ownRole !== "candidate") return;
    this.recordVote(from, reply.granted);
    // A split vote while members campaign in turn: the next attempt comes one turn later than the first one did.
    if (!reply.granted && this.isLeaderGone) this.startTurn(1);
  }

  /**
   * Campaigns at the leader's request. Raft thesis §3.10: "as if its election timer fired", here with a PreVote first. etcd
   * skips the PreVote; it costs one round trip and makes a late TimeoutNow harmless.
   */
  onTimeoutNow(from: MemberId, { term, lastIndex }: TimeoutNow): void {
    const isCurrent = term === this.current.term && from === this.leaderOfTerm && lastIndex === this.log.lastIndex;
    if (isCurrent && !this.isPaused) this.campaign({ isTransfer: true });
  }

  /** Tells whether the vote of this term is free or already `candidate`'s: at most one per term, and none once it has a leader. Paper §5.2. */
  private canVoteFor(candidate: MemberId): boolean {
    return this.current.vote === candidate || (this.current.vote === noMember && this.leaderOfTerm === noMember);
  }
}

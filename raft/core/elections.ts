import { ElectionTimer, type ElectionTimerOptions } from "./election-timer.js";
import { invariant } from "./invariant.js";
import type { Log } from "./log.js";
import { Ballot } from "./quorum.js";
import {
  noMember,
  type HardState,
  type MemberId,
  type PeerMessage,
  type PreVote,
  type PreVoteReply,
  type Role,
  type Term,
  type TimeoutNow,
  type Vote,
  type VoteReply,
} from "./types.js";

/** What the core does when it comes to know, or is, another leader. */
export interface ElectionsListener {
  /** The term is new: what was said in an older one is of use to nobody. */
  onNewTerm(): void;
  /** `leader` is another, or nobody. */
  onLeaderChanged(): void;
  /** This member leads its term. */
  onElected(): void;
  /** If it led, it does not any more. */
  onDeposed(): void;
}

export interface ElectionsOptions extends ElectionTimerOptions {
  readonly id: MemberId;
  /** All voting members, this one included, by id. */
  readonly voters: readonly MemberId[];
  /** As recovered. */
  readonly hardState: HardState;
  readonly log: Log;
  /** To whom this member, if it leads, is handing leadership over. */
  readonly transferee: () => MemberId | undefined;
  /** Whether term and vote are on disk. */
  readonly isDurable: () => boolean;
  /** Sends once term and vote are on disk. */
  readonly send: (to: MemberId, message: PeerMessage) => void;
  readonly listener: ElectionsListener;
}

/** Who leads: terms, votes and candidacies of one member. Raft paper §5.2, §5.4.1; PreVote: thesis §9.6. */
export class Elections {
  private readonly id: MemberId;
  private readonly voters: readonly MemberId[];
  private readonly peers: readonly MemberId[];
  private readonly log: Log;
  private readonly timer: ElectionTimer;
  private readonly transferee: ElectionsOptions["transferee"];
  private readonly isDurable: () => boolean;
  private readonly send: ElectionsOptions["send"];
  private readonly listener: ElectionsListener;

  private ownRole: Role = "follower";
  private ownTerm: Term;
  private ownVote: MemberId;
  private knownLeader: MemberId = noMember;
  /** Who was seen leading this term; stays when the leader is forgotten. */
  private leaderOfTerm: MemberId = noMember;
  /** While pre-candidate or candidate. */
  private ballot: Ballot | undefined;
  /** The leader is known to be gone, and nobody contradicted yet: members campaign in turn, in short windows. */
  private isLeaderGone = true;
  /** Whose link closed last while it led, or was about to: it takes no turn. */
  private lostLeader: MemberId = noMember;
  /** The candidacy under way was asked for by the leader. */
  private isTransfer = false;
  /** This member starts no candidacy: it could not lead now. */
  isPaused = false;

  constructor(options: ElectionsOptions) {
    this.id = options.id;
    this.voters = options.voters;
    this.peers = this.voters.filter((voter) => voter !== this.id);
    this.log = options.log;
    this.ownTerm = options.hardState.term;
    this.ownVote = options.hardState.vote;
    this.transferee = options.transferee;
    this.isDurable = options.isDurable;
    this.send = options.send;
    this.listener = options.listener;
    this.timer = new ElectionTimer(options);
  }

  /** Nobody leads as far as this member knows: the same case as a leader whose link closed. */
  start(): void {
    if (this.peers.length === 0) this.campaign({ isTransfer: false });
    else this.timer.startTurn(this.rank());
  }

  get role(): Role {
    return this.ownRole;
  }

  get term(): Term {
    return this.ownTerm;
  }

  /** Whom this member voted for in `term`. */
  get vote(): MemberId {
    return this.ownVote;
  }

  /** The leader that is heard; `noMember` also when its link closed or it was silent for too long. */
  get leader(): MemberId {
    return this.knownLeader;
  }

  // Terms and leaders.

  private adoptTerm(term: Term): void {
    invariant(term > this.ownTerm, "a term that goes back");
    this.ownTerm = term;
    this.ownVote = noMember;
    this.leaderOfTerm = noMember;
    this.setLeader(noMember);
    this.listener.onNewTerm();
  }

  /** Takes note of another member's term. @returns whether its message is of our own term */
  observeTerm(term: Term): boolean {
    if (term > this.ownTerm) {
      this.adoptTerm(term);
      this.becomeFollower(noMember);
    }
    return term === this.ownTerm;
  }

  /** An append or heartbeat of our term or a later one: `from` leads it. Raft paper §5.2. */
  followLeader(from: MemberId, term: Term): void {
    if (term > this.ownTerm) this.adoptTerm(term);
    this.recordLeader(from);
    if (this.knownLeader === from) this.timer.resetElapsed();
    else this.becomeFollower(from);
  }

  /** `leader` leads this term, or led it. */
  private recordLeader(leader: MemberId): void {
    if (this.leaderOfTerm === leader) return;
    invariant(this.leaderOfTerm === noMember, "two leaders in one term");
    this.leaderOfTerm = leader;
  }

  /** Some time ago, perhaps, `leader` led `term`. */
  learnLeader(leader: MemberId, term: Term): void {
    this.observeTerm(term);
    this.recordLeader(leader);
    if (this.ownRole !== "follower") this.becomeFollower(noMember); // this term has its leader
  }

  /** A leader that hears no majority gives way, without knowing to whom. Raft thesis §6.2. */
  stepDown(): void {
    this.becomeFollower(noMember);
  }

  /** Any role gives way; the wait for the next candidacy begins anew. */
  private becomeFollower(leader: MemberId): void {
    this.ownRole = "follower";
    this.ballot = undefined;
    this.listener.onDeposed();
    this.setLeader(leader);
    this.isLeaderGone = false;
    this.timer.startTimeout();
  }

  private setLeader(leader: MemberId): void {
    if (leader === this.knownLeader) return;
    this.knownLeader = leader;
    this.listener.onLeaderChanged();
  }

  /** Whether a leader works, as far as this member knows: then it helps nobody to unseat it. Raft thesis §4.2.3, §9.6. */
  private hasActiveLeader(): boolean {
    return this.ownRole === "leader" || (this.knownLeader !== noMember && this.timer.isWithinElectionTimeout);
  }

  // Time, and links that close.

  /** For all but a leader. */
  tick(): void {
    if (this.timer.tick() && !this.isPaused) this.campaign({ isTransfer: false });
  }

  onLinkClosed(peer: MemberId): void {
    if (peer !== this.knownLeader && !this.isAwaitedCandidate(peer)) return;
    this.lostLeader = peer;
    this.setLeader(noMember);
    this.waitForTurn();
  }

  /** Whether this member voted for `candidate`, and waits since to hear it lead. */
  private isAwaitedCandidate(candidate: MemberId): boolean {
    const isIdle = this.ownRole === "follower" && !this.isLeaderGone;
    return isIdle && this.ownVote === candidate && this.leaderOfTerm === noMember;
  }

  /** Begins waiting for this member's turn, with the leader gone. Refusals from before do not count any more. */
  private waitForTurn(): void {
    this.ownRole = "follower";
    this.ballot = undefined;
    this.isLeaderGone = true;
    this.timer.startTurn(this.rank());
  }

  /** This member's place among those that may follow the lost leader. */
  private rank(): number {
    return this.voters.filter((voter) => voter !== this.lostLeader).indexOf(this.id);
  }

  /**
   * A member that wants to lead holds less than this one, which therefore refused it: with nobody leading,
   * this one should ask, and not only after a whole timeout.
   */
  private waitForTurnIfIdle(): void {
    const isIdle = this.ownRole === "follower" || this.ownRole === "preCandidate";
    if (isIdle && this.knownLeader === noMember && !this.isLeaderGone) this.waitForTurn();
  }

  // Candidacies.

  /** Asks whether a candidacy would succeed, which disturbs nobody if it would not. Raft thesis §9.6. */
  private campaign({ isTransfer }: { isTransfer: boolean }): void {
    this.setLeader(noMember);
    if (this.peers.length === 0) {
      this.becomeCandidate(); // nobody to ask
      return;
    }
    // Without an answer, in a hurry, those that were silent are asked again, a window later than before.
    const asksAgain =
      this.ownRole === "preCandidate" && isTransfer === this.isTransfer && (this.isLeaderGone || isTransfer);
    if (!asksAgain) {
      this.ownRole = "preCandidate";
      this.ballot = new Ballot(this.voters);
      this.isTransfer = isTransfer;
    }
    if (this.isLeaderGone) this.timer.startTurn(this.rank() + 1);
    else this.timer.startTimeout();
    this.recordPreVote(this.id, true);
    const term = (this.ownTerm + 1) as Term;
    this.requestVotes("preVote", term);
  }

  private requestVotes(kind: "preVote" | "vote", term: Term): void {
    const { lastIndex, lastTerm } = this.log;
    const message: PreVote | Vote = { kind, term, lastIndex, lastTerm, transfer: this.isTransfer };
    for (const peer of this.peers) if (this.ballot?.hasAnswered(peer) === false) this.send(peer, message);
  }

  private recordPreVote(voter: MemberId, granted: boolean): void {
    this.ballot?.recordAnswer(voter, granted);
    if (this.ballot?.isWon === true) this.becomeCandidate();
  }

  /** Raft paper §5.2. The requests wait for the write of term and vote; so does the own vote, see `onSaved`. */
  private becomeCandidate(): void {
    this.adoptTerm((this.ownTerm + 1) as Term);
    this.ownRole = "candidate";
    this.ownVote = this.id;
    this.ballot = new Ballot(this.voters);
    this.timer.startTimeout();
    this.requestVotes("vote", this.ownTerm);
  }

  /** A write ended. A candidate's own vote counts once it cannot be forgotten and given to another. Raft paper §5.2. */
  onSaved(): void {
    if (this.ownRole === "candidate" && this.isDurable()) this.recordVote(this.id, true);
  }

  private recordVote(voter: MemberId, granted: boolean): void {
    this.ballot?.recordAnswer(voter, granted);
    if (this.ballot?.isWon === true) this.becomeLeader();
  }

  private becomeLeader(): void {
    invariant(this.leaderOfTerm === noMember, "two leaders in one term");
    invariant(this.isDurable(), "a leader of a term that it may forget");
    this.ownRole = "leader";
    this.ballot = undefined;
    this.leaderOfTerm = this.id;
    this.setLeader(this.id);
    this.isLeaderGone = false;
    this.listener.onElected();
  }

  // What candidates and voters say to each other.

  onPreVote(from: MemberId, request: PreVote): void {
    const upToDate = this.log.isUpToDate(request.lastIndex, request.lastTerm);
    const free = request.term > this.ownTerm || (request.term === this.ownTerm && this.canVoteFor(from));
    const granted = free && upToDate && !this.shouldKeepLeader(from, request);
    this.send(from, { kind: "preVoteReply", term: granted ? request.term : this.ownTerm, granted });
    if (!upToDate) this.waitForTurnIfIdle();
  }

  /**
   * Whether a leader works that `from` would unseat, and did not ask for it itself. The leader knows best whom it asked, and
   * whether that still holds: a candidacy that comes late is like any other, and disturbs nobody.
   */
  private shouldKeepLeader(from: MemberId, { transfer }: PreVote): boolean {
    if (!this.hasActiveLeader()) return false;
    if (!transfer) return true;
    return this.ownRole === "leader" && this.transferee() !== from;
  }

  onPreVoteReply(from: MemberId, reply: PreVoteReply): void {
    if (!reply.granted) this.observeTerm(reply.term); // granted, it is our own term + 1
    if (this.ownRole !== "preCandidate") return;
    if (reply.granted) {
      if (reply.term === this.ownTerm + 1) this.recordPreVote(from, true);
      return;
    }
    this.recordPreVote(from, false);
    if (this.isLeaderGone) {
      // Somebody hears the leader, or holds more than we do: no reason for haste.
      this.isLeaderGone = false;
      this.timer.startTimeout();
    }
  }

  onVote(from: MemberId, request: Vote): void {
    // A working leader is not given up for a member that lost sight of it (raft thesis §4.2.3); but for one that the
    // leader asked to take over (§3.10), which a majority agreed to in the PreVote before.
    if (request.term > this.ownTerm && this.hasActiveLeader() && !request.transfer) return;
    const isCurrent = this.observeTerm(request.term);
    const upToDate = this.log.isUpToDate(request.lastIndex, request.lastTerm);
    const granted = isCurrent && upToDate && this.canVoteFor(from);
    if (granted) {
      this.ownVote = from;
      this.timer.startTimeout();
    }
    this.send(from, { kind: "voteReply", term: this.ownTerm, granted });
    if (!upToDate) this.waitForTurnIfIdle();
  }

  onVoteReply(from: MemberId, reply: VoteReply): void {
    if (!this.observeTerm(reply.term) || this.ownRole !== "candidate") return;
    this.recordVote(from, reply.granted);
    // A split vote: the next turn comes soon if the leader is known to be gone.
    if (!reply.granted && this.isLeaderGone) this.timer.startTurn(this.rank() + 1);
  }

  /**
   * The leader hands over to this member. Raft thesis §3.10: "as if its election timer fired", which here means to ask in a
   * PreVote first. (etcd leaves that out; it costs one round trip, and makes a request that comes late harmless.)
   */
  onTimeoutNow(from: MemberId, { term, lastIndex }: TimeoutNow): void {
    const isCurrent = term === this.ownTerm && from === this.leaderOfTerm && lastIndex === this.log.lastIndex;
    if (isCurrent && !this.isPaused) this.campaign({ isTransfer: true });
  }

  /** At most one vote per term. Raft paper §5.2. */
  private canVoteFor(candidate: MemberId): boolean {
    return this.ownVote === candidate || (this.ownVote === noMember && this.leaderOfTerm === noMember);
  }
}

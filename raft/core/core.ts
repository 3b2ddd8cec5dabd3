import { ClientRequests, type Route } from "./client-requests.js";
import { Elections } from "./elections.js";
import { assertNever, invariant } from "./invariant.js";
import { Leadership } from "./leadership.js";
import { defaultLimits, type CoreLimits } from "./limits.js";
import { Log } from "./log.js";
import type {
  Append,
  AppendReply,
  CoreStatus,
  Entry,
  HardState,
  Heartbeat,
  HeartbeatReply,
  Input,
  LogIndex,
  MemberId,
  Outgoing,
  PeerMessage,
  ReadState,
  Refusal,
  Term,
  Unsaved,
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
  private readonly elections: Elections;

  /** While leader. */
  private leadership: Leadership | undefined;

  /** What was last handed to the disk, and what is durable of it. */
  private written: HardState;
  private durable: HardState;
  private writing: Unsaved | undefined;

  private messages: Outgoing[] = [];
  private replies: Outgoing[] = [];
  private readonly requests: ClientRequests;

  constructor(options: CoreOptions) {
    invariant(options.voters.includes(options.id), "a member that is not among its voters");
    this.id = options.id;
    this.voters = options.voters.toSorted((a, b) => (a < b ? -1 : 1));
    this.peers = this.voters.filter((voter) => voter !== this.id);
    this.heartbeatTicks = options.heartbeatTicks;
    this.electionTicks = options.electionTicks;
    this.limits = { ...defaultLimits, ...options.limits };
    this.log = new Log({ entries: options.entries, commit: options.hardState.commit, applied: options.applied });
    invariant(this.log.lastTerm <= options.hardState.term, "an entry of a later term than the hard state's");
    this.written = this.durable = options.hardState;
    this.requests = new ClientRequests({
      ...options,
      maxPendingReads: this.limits.maxPendingReads,
      // Nothing durable is spoken of: it may leave at once.
      forward: (to, message) => this.messages.push({ to, message }),
    });
    this.elections = new Elections({
      ...options,
      voters: this.voters,
      log: this.log,
      isDurable: () => this.isHardStateDurable(),
      send: (to, message) => this.send(to, message),
      listener: {
        newTerm: () => (this.replies = []),
        leaderChanged: () => this.requests.leaderChanged(),
        elected: () => this.onElected(),
        deposed: () => this.endLeadership(),
      },
    });
    this.elections.start();
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
        this.requests.propose(input, this.route());
        return;
      case "readIndex":
        this.requests.read(input.request, this.route());
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
    this.elections.saved();
  }

  /** Committed entries that are durable here, in order, each once; a bounded amount, so take until there are none. */
  takeCommitted(): readonly Entry[] {
    return this.log.takeCommitted(this.limits.maxCommittedBytes);
  }

  /** Reads that may be answered once everything up to their index is applied. */
  takeReadStates(): readonly ReadState[] {
    return this.requests.takeReadStates();
  }

  /** Proposals and reads that were not taken. */
  takeRefusals(): readonly Refusal[] {
    return this.requests.takeRefusals();
  }

  status(): CoreStatus {
    const { role, term, vote, leader } = this.elections;
    return {
      id: this.id,
      role,
      term,
      vote,
      leader,
      commit: this.log.commit,
      lastIndex: this.log.lastIndex,
      savedIndex: this.log.saved,
    };
  }

  // What is durable, and what must wait for it.

  /** The commit index rides along with what must be written anyway; after a crash it is learned again. */
  private changedHardState(hasEntries: boolean): HardState | undefined {
    const { term, vote, commit } = this.written;
    const changed =
      term !== this.elections.term || vote !== this.elections.vote || (hasEntries && commit !== this.log.commit);
    if (!changed) return undefined;
    this.written = { term: this.elections.term, vote: this.elections.vote, commit: this.log.commit };
    return this.written;
  }

  private isHardStateDurable(): boolean {
    return this.durable.term === this.elections.term && this.durable.vote === this.elections.vote;
  }

  private send(to: MemberId, message: PeerMessage): void {
    (this.isHardStateDurable() ? this.messages : this.replies).push({ to, message });
  }

  /** Tells the leader that our log agrees with its own up to `index`, as soon as a crash could not undo it. */
  private acknowledge(to: MemberId, index: LogIndex): void {
    const message: AppendReply = {
      kind: "appendReply",
      term: this.elections.term,
      accepted: true,
      index,
      hintIndex: 0 as LogIndex,
      hintTerm: 0 as Term,
    };
    const isDurable = this.isHardStateDurable() && index <= this.log.saved;
    (isDurable ? this.messages : this.replies).push({ to, message });
  }

  // Who leads.

  private onElected(): void {
    this.leadership = new Leadership({
      id: this.id,
      term: this.elections.term,
      voters: this.voters,
      log: this.log,
      limits: this.limits,
      heartbeatTicks: this.heartbeatTicks,
      electionTicks: this.electionTicks,
      send: (to, message) => this.send(to, message),
      answerRead: ({ from, request }, index) => {
        if (from === this.id) this.requests.answered({ request, index });
        else this.send(from, { kind: "forwardedReadReply", request, index });
      },
    });
  }

  private endLeadership(): void {
    const unanswered = this.leadership?.unansweredReads() ?? [];
    this.leadership = undefined;
    for (const { from, request } of unanswered) if (from === this.id) this.requests.unanswered(request);
  }

  /** Where what clients want goes. */
  private route(): Route {
    return { leadership: this.leadership, leader: this.elections.leader };
  }

  private onTick(): void {
    this.requests.tick();
    if (this.leadership === undefined) this.elections.tick();
    else if (!this.leadership.tick()) this.elections.stepDown();
  }

  private onLinkClosed(peer: MemberId): void {
    this.leadership?.linkClosed(peer);
    this.elections.linkClosed(peer);
  }

  // What members say to each other.

  private onReceive(from: MemberId, message: PeerMessage): void {
    if (!this.peers.includes(from)) return; // no member, no say
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
      case "forwardedProposal":
        // Refused silently: the member that forwarded it cannot know anyway whether it arrived.
        if (message.data.length > 0) this.leadership?.propose(message.data);
        return;
      case "forwardedRead":
        this.leadership?.read({ from, request: message.request }); // not taken: the asker gives up on it
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
      this.refuseAppend(from, append); // so that a leader that was cut off learns of the new term
      return;
    }
    this.elections.follow(from, append.term);
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
    this.send(to, {
      kind: "appendReply",
      term: this.elections.term,
      accepted: false,
      index: prevIndex,
      hintIndex,
      hintTerm,
    });
  }

  private onAppendReply(from: MemberId, reply: AppendReply): void {
    if (!this.elections.observe(reply.term)) return;
    this.leadership?.heard(from);
    this.leadership?.onAppendReply(from, reply);
  }

  private onHeartbeat(from: MemberId, heartbeat: Heartbeat): void {
    if (heartbeat.term >= this.elections.term) {
      this.elections.follow(from, heartbeat.term);
      this.log.commitTo(heartbeat.commit);
    }
    this.send(from, { kind: "heartbeatReply", term: this.elections.term, round: heartbeat.round });
  }

  private onHeartbeatReply(from: MemberId, reply: HeartbeatReply): void {
    if (!this.elections.observe(reply.term)) return;
    this.leadership?.heard(from);
    this.leadership?.onHeartbeatReply(from, reply);
  }
}

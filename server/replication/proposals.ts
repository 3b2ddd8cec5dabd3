import { type DecodedProposal, encodeProposal, type ProposalUser } from "../../proto/index.js";
import { type Clock, exponentialBounds } from "../../platform/index.js";
import { noMember, type MemberId, type RaftNode, type Refusal, type Shortage } from "../../raft/index.js";
import {
  DurationsByKind,
  maxPendingProposalBytes,
  maxPendingProposals,
  maxRepeatBytes,
  maxRepeats,
  NumberTable,
  type ResultHandler,
  ServerError,
} from "../base/index.js";
import type { Command, CommandKind, CommandOf, ResultsByKind } from "./command.js";
import { Sweeper } from "./sweeper.js";

interface Pending<Result> {
  readonly kind: CommandKind;
  readonly data: Uint8Array;
  /** The contents of `data`, if they are kept beside it. */
  readonly proposal: DecodedProposal | undefined;
  readonly deadline: number;
  /** The number of elections that this member had seen when the client asked. */
  readonly beganUnder: number;
  /** Tells that it is sent once: it has no effect under another leader. */
  readonly once: boolean;
  readonly handler: ResultHandler<Result>;
  /** The number of copies that consensus took. 0: it was certainly not done. */
  copies: number;
  /** The time at which it was last sent to the present leader; undefined if it was not. */
  sentAt: number | undefined;
  /** The time after which it counts as lost on its way, in milliseconds. */
  patienceMs: number;
  /** Tells that it is one of the retransmitted proposals under way. */
  isRepeat: boolean;
}

/** The options of `Proposals`. */
export interface ProposalsOptions {
  readonly member: MemberId;
  readonly incarnation: number;
  /** Longest wait for an outcome, in milliseconds (etcd: 5 s + 2 election timeouts). */
  readonly timeoutMs: number;
  /** Largest proposal of a client; the member's own have no such limit. */
  readonly maxRequestBytes: number;
  readonly clock: Clock;
}

/** The space that is left for the log. */
export interface ProposalSpace {
  /** The resource without which nothing can be written to the log at present; undefined if it can. */
  readonly shortage: Shortage | undefined;
}

/**
 * A leader says nothing of what it could not take from another member, or what never reached it. It is sent it again
 * after this long, and then after twice as long each time: it may be slow, and must not get slower by that.
 *
 * A leader appends what a member sends in the order of sending. So this time begins anew whenever the oldest pending proposal is
 * applied: those behind it were not lost, they wait for their turn, and a second copy of large ones would double the work.
 */
const firstPatienceMs = 500;

/** Commands without effect under another leader than the one that decided on them. */
const decisionsOfOneLeader = new Set<CommandKind>(["leaseExpiry", "leaseCheckpoint"]);

/**
 * Pending proposals, and bytes of each, up to which its command is kept beside its bytes. The keys and values of a command lie in what
 * its client has sent, which may be more than the command.
 */
const maxKeptProposals = 1_000;
const maxKeptBytes = 1_024;

/** The bytes of etcd's own envelope around a request: the size limit counts them instead of ours. */
const etcdEnvelopeBytes = 14;

/**
 * The proposals of this member's clients: numbers each, waits until that number has been applied here, and ends
 * each exactly once: with its result, an error that says it was not done, or "outcome unknown" at the deadline.
 *
 * With its leader a proposal may be lost, or not: nobody can tell. So each new leader is sent all that wait, the same
 * bytes under the same numbers; where both copies get into the log, `SeenProposals` has the second one skipped.
 */
export class Proposals<Results extends ResultsByKind> {
  /** The time from a proposal to its end. One that was applied has succeeded, whatever came of it. */
  readonly durations = new DurationsByKind<CommandKind>(exponentialBounds(0.001, 2, 14));
  /** The pending proposals by sequence. */
  private readonly pending = new NumberTable<Pending<Results[CommandKind]>>();
  /** The sequence below which every proposal is answered. */
  private answeredBelow = 1;
  /** The sequence after the one applied last: most are applied in their order. */
  private nextToApply = 1;
  private pendingBytes = 0;
  private sequence = 0;
  private leader: MemberId = noMember;
  private elections = 0;
  /** Tells that some were not sent to the present leader; later ones wait behind them. */
  private hasUnsent = false;
  private readonly repeats = new Repeats();
  /** The time at which the oldest pending proposal was applied last. */
  private oldestAppliedAt = -Infinity;
  private givenUp = 0;
  private stopped = false;
  private readonly sweeper: Sweeper;

  /** @param node consensus, which is given the proposals; its refusals come back through `onRefusal` */
  constructor(
    private readonly options: ProposalsOptions,
    private readonly node: Pick<RaftNode, "propose">,
    private readonly space: ProposalSpace,
  ) {
    this.sweeper = new Sweeper(options.clock, () => this.sweep());
  }

  /**
   * Proposes a command of a client.
   *
   * @param user whoever asks; absent: authentication is off
   * @throws ServerError `request-too-large`, `too-many-requests`, `no-space`, `server-stopped`
   */
  propose<Kind extends CommandKind>(
    command: Command & CommandOf<Kind>,
    handler: ResultHandler<Results[Kind]>,
    user?: ProposalUser,
  ): void {
    this.begin(command, this.options.maxRequestBytes, handler, user);
  }

  /**
   * Proposes a command of the member itself, whatever limit its clients have. The caller bounds its size.
   *
   * @throws ServerError `too-many-requests`, `no-space`, `server-stopped`
   */
  proposeOwn<Kind extends CommandKind>(
    command: Command & CommandOf<Kind>,
    handler: ResultHandler<Results[Kind]>,
  ): void {
    this.begin(command, Infinity, handler);
  }

  /** Ends a proposal with its result: its first copy was applied here. @param now the time, if it has been read already */
  settle(sequence: number, result: Results[CommandKind], now = this.options.clock.now()): void {
    this.take(sequence, true, now)?.handler.onResult(result);
  }

  /** Ends a proposal with an error: its command was applied here and changed nothing. @param now as in `settle` */
  fail(sequence: number, error: unknown, now = this.options.clock.now()): void {
    this.take(sequence, true, now)?.handler.onError(error);
  }

  /**
   * Returns the proposal that `data` encodes, if it is the next of those that wait here and was kept. The entries of a leader have the
   * very bytes that it was given, and nobody changes those: they need not be decoded.
   */
  findKept(data: Uint8Array): DecodedProposal | undefined {
    const pending = this.pending.get(this.nextToApply);
    return pending?.data === data ? pending.proposal : undefined;
  }

  /** Handles a refusal by consensus: nothing of this copy is in any log. */
  onRefusal({ number, reason }: Refusal): void {
    const pending = this.pending.get(number);
    if (pending === undefined) return;
    pending.copies--;
    this.takeBack(pending);
    if (reason === "too-many" && pending.copies === 0)
      this.giveUp(number, new ServerError("too-many-requests", "too much is waiting to be committed"));
    else if (pending.once) this.giveUp(number, this.overdueError(pending));
  }

  /** Sends all that waits to the new leader, whoever had it before; `noMember` if there is none. */
  onLeaderChange(leader: MemberId): void {
    this.leader = leader;
    if (leader !== noMember) this.elections++;
    this.sendAllAgain();
  }

  /** Sends all that waits again: there is a new link to the leader, and proposals may be lost with the former one. */
  onLeaderReachable(): void {
    this.sendAllAgain();
  }

  /**
   * Handles an installed snapshot: proposals that were applied in it, and not here, end without a result.
   *
   * @param isApplied tells whether the snapshot contains the proposal of that number
   */
  onSnapshotInstalled(isApplied: (sequence: number) => boolean): void {
    for (const [sequence] of [...this.inOrder()])
      if (isApplied(sequence))
        this.giveUp(sequence, new ServerError("connection-lost", "it was applied while this member was cut off"));
  }

  /** Ends all that wait: their outcome is unknown. */
  stop(): void {
    this.stopped = true;
    this.sweeper.stop();
    for (const [sequence] of [...this.inOrder()])
      this.giveUp(sequence, new ServerError("server-stopped", "the member stopped before the outcome was known"));
  }

  /** The number of proposals that have ended without being applied here: refused, overdue, or with the end of this member. */
  get failed(): number {
    return this.givenUp;
  }

  /** The number of pending proposals. */
  get size(): number {
    return this.pending.size;
  }

  private begin(
    command: Command,
    maxBytes: number,
    handler: ResultHandler<Results[CommandKind]>,
    user?: ProposalUser,
  ): void {
    if (this.stopped) throw new ServerError("server-stopped", "the member is stopping");
    const { shortage } = this.space;
    if (shortage === "space") throw new ServerError("no-space", "no space left for the log");
    if (shortage === "descriptors") throw new ServerError("too-many-requests", "no file descriptors left for the log");
    if (this.pending.size >= maxPendingProposals || this.pendingBytes >= maxPendingProposalBytes)
      throw new ServerError("too-many-requests", `${this.pending.size} proposals are under way`);
    const sequence = this.sequence + 1;
    this.giveUpBelow(sequence - maxPendingProposals + 1);
    const { member, incarnation } = this.options;
    const proposal = { member, incarnation, sequence, floor: this.floor(), user, command };
    const data = encodeWithin(maxBytes, proposal);
    this.sequence = sequence;
    const now = this.options.clock.now();
    const pending: Pending<Results[CommandKind]> = {
      kind: command.$case,
      data,
      proposal: this.isKept(proposal, data) ? proposal : undefined,
      deadline: now + this.options.timeoutMs,
      beganUnder: this.elections,
      once: decisionsOfOneLeader.has(command.$case),
      handler,
      copies: 0,
      sentAt: undefined,
      patienceMs: firstPatienceMs,
      isRepeat: false,
    };
    this.pending.set(sequence, pending);
    this.sweeper.wake();
    this.pendingBytes += data.length;
    // Without a leader it waits here: then it is certain at the deadline that it was not done.
    if (this.leader === noMember || this.hasUnsent) this.hasUnsent = true;
    else this.send(sequence, pending, now);
  }

  private send(sequence: number, pending: Pending<unknown>, now: number): void {
    pending.copies++;
    pending.sentAt = now;
    this.node.propose(sequence, pending.data);
  }

  /** Marks a proposal as not sent to the present leader. */
  private takeBack(pending: Pending<unknown>): void {
    this.repeats.end(pending);
    pending.sentAt = undefined;
    this.hasUnsent = true;
  }

  private sendAllAgain(): void {
    for (const [sequence, pending] of this.inOrder()) {
      this.takeBack(pending);
      pending.patienceMs = firstPatienceMs;
      if (pending.once) this.giveUp(sequence, this.overdueError(pending));
    }
    this.sendUnsent();
  }

  /** Sends in the order of proposing, a bounded number at a time: a new leader receives those of other members, too. */
  private sendUnsent(): void {
    if (this.leader === noMember || !this.hasUnsent || this.stopped) return;
    this.hasUnsent = false; // a refusal, which may come at once, sets it again
    const now = this.options.clock.now();
    for (const [sequence, pending] of this.inOrder()) {
      if (pending.sentAt !== undefined) continue;
      if (this.repeats.areMany) {
        this.hasUnsent = true;
        return;
      }
      this.repeats.begin(pending);
      this.send(sequence, pending, now);
    }
  }

  /** Retransmits proposals that another leader has not answered for so long that they may be lost. */
  private sendLost(now: number): void {
    if (this.leader === noMember || this.leader === this.options.member) return;
    for (const [sequence, pending] of this.inOrder()) {
      if (pending.sentAt === undefined || pending.once) continue;
      if (now - Math.max(pending.sentAt, this.oldestAppliedAt) < pending.patienceMs) continue;
      if (this.repeats.areMany && !pending.isRepeat) continue;
      this.repeats.begin(pending);
      pending.patienceMs *= 2;
      this.send(sequence, pending, now);
    }
  }

  /** Whether a proposal need not be decoded from its bytes: a put's fields are what its decoder returns. */
  private isKept({ user, command }: DecodedProposal, data: Uint8Array): boolean {
    const isSmallPut = command?.$case === "put" && data.length <= maxKeptBytes;
    return isSmallPut && user === undefined && this.pending.size < maxKeptProposals;
  }

  /** Ends a proposal with an error: it was not applied here, and perhaps nowhere. */
  private giveUp(sequence: number, error: ServerError): void {
    const pending = this.take(sequence, false, this.options.clock.now());
    if (pending === undefined) return;
    this.givenUp++;
    pending.handler.onError(error);
  }

  private take(sequence: number, isApplied: boolean, now: number): Pending<Results[CommandKind]> | undefined {
    if (isApplied) this.nextToApply = sequence + 1;
    const pending = this.pending.get(sequence);
    if (pending === undefined) return undefined; // its deadline has passed
    const beganAt = pending.deadline - this.options.timeoutMs;
    this.durations.observe(pending.kind, isApplied, (now - beganAt) / 1_000);
    if (isApplied && sequence === this.floor()) this.oldestAppliedAt = now;
    this.pending.delete(sequence);
    this.pendingBytes -= pending.data.length;
    if (this.repeats.end(pending) && this.repeats.areFew) this.sendUnsent();
    return pending;
  }

  private sweep(): boolean {
    const now = this.options.clock.now();
    for (const [sequence, pending] of this.inOrder()) {
      if (pending.deadline > now) break; // the rest was proposed later
      this.giveUp(sequence, this.overdueError(pending));
    }
    this.sendLost(now);
    // A leader that was lost and found again within one turn of the loop is no news, but its refusals are.
    this.sendUnsent();
    return this.pending.size > 0;
  }

  /**
   * Every member remembers of this one's proposals a window of so many (`SeenProposals`), and skips what lies beyond
   * it. One that got lost must not hold the window back: those after it were applied, so it never will be.
   */
  private giveUpBelow(sequence: number): void {
    for (let lowest = this.floor(); lowest < sequence; lowest = this.floor()) {
      const pending = this.pending.get(lowest);
      if (pending !== undefined) this.giveUp(lowest, this.overdueError(pending));
    }
  }

  /** The pending proposals in the order of proposing, those that are proposed meanwhile too: the first has the nearest deadline. */
  private *inOrder(): Generator<readonly [sequence: number, Pending<Results[CommandKind]>]> {
    for (let sequence = this.floor(); sequence <= this.sequence; sequence++) {
      const pending = this.pending.get(sequence);
      if (pending !== undefined) yield [sequence, pending];
    }
  }

  /** The lowest sequence that is unanswered; if none is, the next one. */
  private floor(): number {
    while (this.answeredBelow <= this.sequence && !this.pending.has(this.answeredBelow)) this.answeredBelow++;
    return this.answeredBelow;
  }

  /** Returns the error of a proposal at its deadline. As in etcd, a leader elected meanwhile is named as the likely cause. */
  private overdueError({ copies, beganUnder }: Pending<unknown>): ServerError {
    if (copies === 0) return new ServerError("not-proposed", "there was no leader to propose to");
    if (this.leader !== noMember && beganUnder !== this.elections)
      return new ServerError("leader-lost", "the leader changed before it was committed");
    return new ServerError("timed-out", "not committed in time");
  }
}

/** @throws ServerError `request-too-large` */
const encodeWithin = (maxBytes: number, proposal: DecodedProposal): Uint8Array => {
  const data = encodeProposal(proposal);
  if (data.length <= maxBytes) return data;
  const ours = encodeProposal({ ...proposal, command: undefined }).length;
  if (data.length - ours + etcdEnvelopeBytes <= maxBytes) return data;
  throw new ServerError("request-too-large", `a proposal of ${data.length} bytes, ${maxBytes} allowed`);
};

/** The bound on retransmitted proposals under way, beside the new ones of clients. */
class Repeats {
  private count = 0;
  private bytes = 0;

  /** Tells that no further one may be sent. */
  get areMany(): boolean {
    return this.count >= maxRepeats || this.bytes >= maxRepeatBytes;
  }

  /** Tells that the next ones may be sent, all together. */
  get areFew(): boolean {
    return this.count <= maxRepeats / 2 && this.bytes <= maxRepeatBytes / 2;
  }

  begin(repeat: { readonly data: Uint8Array; isRepeat: boolean }): void {
    if (repeat.isRepeat) return;
    repeat.isRepeat = true;
    this.count++;
    this.bytes += repeat.data.length;
  }

  /** @returns whether it was one */
  end(repeat: { readonly data: Uint8Array; isRepeat: boolean }): boolean {
    if (!repeat.isRepeat) return false;
    repeat.isRepeat = false;
    this.count--;
    this.bytes -= repeat.data.length;
    return true;
  }
}

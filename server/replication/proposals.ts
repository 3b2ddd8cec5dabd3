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

interface PendingProposal<Result> {
  readonly kind: CommandKind;
  readonly data: Uint8Array;
  /** The decoded contents of `data`, if they are cached. */
  readonly proposal: DecodedProposal | undefined;
  readonly deadline: number;
  /** The number of elections that this member had seen at the time of the request. */
  readonly beganUnder: number;
  /** Whether the proposal is sent only once: it has no effect under another leader. */
  readonly isSentOnce: boolean;
  readonly handler: ResultHandler<Result>;
  /** The number of copies that were sent to a leader and not refused. 0: the command was certainly not applied. */
  copies: number;
  /** The time of the last transmission to the present leader; undefined: none. */
  sentAt: number | undefined;
  /** The retransmit timeout, in milliseconds. */
  retransmitMs: number;
  /** Whether it is counted among the retransmitted proposals in flight. */
  isRepeat: boolean;
}

/** The options of `Proposals`. */
export interface ProposalsOptions {
  readonly member: MemberId;
  readonly incarnation: number;
  /** The maximum wait for an outcome, in milliseconds (etcd: 5 s + 2 election timeouts). */
  readonly timeoutMs: number;
  /** The maximum size of a client's proposal, in bytes; the member's own proposals have no such limit. */
  readonly maxRequestBytes: number;
  readonly clock: Clock;
}

/** The disk space for the log. */
export interface ProposalSpace {
  /** The resource that the log lacks for a write; undefined: none. */
  readonly shortage: Shortage | undefined;
}

/**
 * The first retransmit timeout of a forwarded proposal, in milliseconds; doubled at each retransmission. There is no negative
 * acknowledgement of a forwarded proposal, and repeats must not overload a slow leader.
 *
 * A leader appends the proposals of a member in the order of their transmission. The timeout restarts whenever the oldest
 * pending proposal is applied: those behind it are not lost but queued, and a second copy of large ones would double the work.
 */
const firstRetransmitMs = 500;

/** Commands that have no effect under another leader than the one that decided on them. */
const decisionsOfOneLeader = new Set<CommandKind>(["leaseExpiry", "leaseCheckpoint"]);

/**
 * The maximum number of pending proposals, and of bytes of each, for which the decoded command is cached. A decoded command
 * refers to the buffer of its client's request, which may be larger than the command.
 */
const maxKeptProposals = 1_000;
const maxKeptBytes = 1_024;

/** The bytes of etcd's own envelope around a request: the size limit counts them in place of minietcd's envelope. */
const etcdEnvelopeBytes = 14;

/**
 * The pending proposals of this member. Each has a sequence number, waits until that number is applied here, and ends exactly
 * once: with its result, an error that says that it was not applied, or "outcome unknown" at the deadline.
 *
 * A proposal that was sent to a lost leader may be in the log or not. Each new leader therefore gets all pending proposals
 * again, the same bytes under the same numbers; if both copies are committed, `SeenProposals` skips the second one.
 */
export class Proposals<Results extends ResultsByKind> {
  /** The durations from a proposal to its end. An applied proposal counts as a success, whatever its result. */
  readonly durations = new DurationsByKind<CommandKind>(exponentialBounds(0.001, 2, 14));
  /** The pending proposals by sequence. */
  private readonly pending = new NumberTable<PendingProposal<Results[CommandKind]>>();
  /** The sequence below which every proposal has ended. */
  private answeredBelow = 1;
  /** The sequence after the last applied one: most are applied in order. */
  private nextToApply = 1;
  private pendingBytes = 0;
  private sequence = 0;
  private leader: MemberId = noMember;
  private elections = 0;
  /** Whether some were not sent to the present leader; later ones queue behind them. */
  private hasUnsent = false;
  private readonly repeats = new Repeats();
  /** The time at which the oldest pending proposal was last applied. */
  private oldestAppliedAt = -Infinity;
  private givenUp = 0;
  private isStopped = false;
  private readonly sweeper: Sweeper;

  /** @param node consensus, which accepts the proposals; its refusals come back through `onRefusal` */
  constructor(
    private readonly options: ProposalsOptions,
    private readonly node: Pick<RaftNode, "propose">,
    private readonly space: ProposalSpace,
  ) {
    this.sweeper = new Sweeper(options.clock, () => this.sweep());
  }

  /**
   * Proposes a client's command.
   *
   * @param user the user of the request; absent: authentication is off
   * @throws ServerError `request-too-large`, `too-many-requests`, `no-space`, `server-stopped`
   */
  propose<Kind extends CommandKind>(
    command: Command & CommandOf<Kind>,
    handler: ResultHandler<Results[Kind]>,
    user?: ProposalUser,
  ): void {
    this.beginProposal(command, this.options.maxRequestBytes, handler, user);
  }

  /**
   * Proposes a command of the member itself, without the size limit of clients. The caller bounds its size.
   *
   * @throws ServerError `too-many-requests`, `no-space`, `server-stopped`
   */
  proposeOwn<Kind extends CommandKind>(
    command: Command & CommandOf<Kind>,
    handler: ResultHandler<Results[Kind]>,
  ): void {
    this.beginProposal(command, Infinity, handler);
  }

  /** Ends a proposal with its result: its first copy was applied here. @param now the time, if the caller has read the clock */
  settleProposal(sequence: number, result: Results[CommandKind], now = this.options.clock.now()): void {
    this.takePending(sequence, true, now)?.handler.onResult(result);
  }

  /** Ends a proposal with an error: its command was applied here and changed nothing. @param now as in `settleProposal` */
  fail(sequence: number, error: unknown, now = this.options.clock.now()): void {
    this.takePending(sequence, true, now)?.handler.onError(error);
  }

  /**
   * Returns the cached proposal of `data`, if it is the next one to apply. The entries of a leader have the very buffer that
   * was proposed, which is not changed: no need to decode it.
   */
  findKept(data: Uint8Array): DecodedProposal | undefined {
    const pending = this.pending.get(this.nextToApply);
    return pending?.data === data ? pending.proposal : undefined;
  }

  /** Called when consensus refuses a copy: this copy is in no log. */
  onRefusal({ number, reason }: Refusal): void {
    const pending = this.pending.get(number);
    if (pending === undefined) return;
    pending.copies--;
    this.takeBack(pending);
    if (reason === "too-many" && pending.copies === 0)
      this.giveUp(number, new ServerError("too-many-requests", "too much is waiting to be committed"));
    else if (pending.isSentOnce) this.giveUp(number, this.overdueError(pending));
  }

  /** Sends all pending proposals to the new leader; `noMember` if there is none. */
  onLeaderChange(leader: MemberId): void {
    this.leader = leader;
    if (leader !== noMember) this.elections++;
    this.sendAllAgain();
  }

  /** Sends all pending proposals again: the link to the leader is new, and proposals may be lost with the former one. */
  onLeaderReachable(): void {
    this.sendAllAgain();
  }

  /**
   * Called after a snapshot was installed: proposals that are applied in the snapshot end without a result.
   *
   * @param isApplied returns whether the snapshot contains the proposal of that number
   */
  onSnapshotInstalled(isApplied: (sequence: number) => boolean): void {
    for (const [sequence] of [...this.pendingInOrder()])
      if (isApplied(sequence))
        this.giveUp(
          sequence,
          new ServerError(
            "connection-lost",
            "applied while this member had no connection to the leader: the result is not known here",
          ),
        );
  }

  /** Ends all pending proposals: their outcome is unknown. */
  stop(): void {
    this.isStopped = true;
    this.sweeper.stop();
    for (const [sequence] of [...this.pendingInOrder()])
      this.giveUp(sequence, new ServerError("server-stopped", "the member stopped before the outcome was known"));
  }

  /** The number of proposals that ended without being applied here: refused, overdue, or at the stop of this member. */
  get failedCount(): number {
    return this.givenUp;
  }

  /** The number of pending proposals. */
  get size(): number {
    return this.pending.size;
  }

  private beginProposal(
    command: Command,
    maxBytes: number,
    handler: ResultHandler<Results[CommandKind]>,
    user?: ProposalUser,
  ): void {
    if (this.isStopped) throw new ServerError("server-stopped", "the member is stopping");
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
    const pending: PendingProposal<Results[CommandKind]> = {
      kind: command.$case,
      data,
      proposal: this.isKept(proposal, data) ? proposal : undefined,
      deadline: now + this.options.timeoutMs,
      beganUnder: this.elections,
      isSentOnce: decisionsOfOneLeader.has(command.$case),
      handler,
      copies: 0,
      sentAt: undefined,
      retransmitMs: firstRetransmitMs,
      isRepeat: false,
    };
    this.pending.set(sequence, pending);
    this.sweeper.wake();
    this.pendingBytes += data.length;
    // Without a leader the proposal is not sent: then it is certain at the deadline that it was not applied.
    if (this.leader === noMember || this.hasUnsent) this.hasUnsent = true;
    else this.send(sequence, pending, now);
  }

  private send(sequence: number, pending: PendingProposal<unknown>, now: number): void {
    pending.copies++;
    pending.sentAt = now;
    this.node.propose(sequence, pending.data);
  }

  /** Marks a proposal as not sent to the present leader. */
  private takeBack(pending: PendingProposal<unknown>): void {
    this.repeats.uncountRepeat(pending);
    pending.sentAt = undefined;
    this.hasUnsent = true;
  }

  private sendAllAgain(): void {
    for (const [sequence, pending] of this.pendingInOrder()) {
      this.takeBack(pending);
      pending.retransmitMs = firstRetransmitMs;
      if (pending.isSentOnce) this.giveUp(sequence, this.overdueError(pending));
    }
    this.sendUnsent();
  }

  /** Sends the unsent proposals in order, a bounded number at a time: a new leader gets those of all other members, too. */
  private sendUnsent(): void {
    if (this.leader === noMember || !this.hasUnsent || this.isStopped) return;
    this.hasUnsent = false; // a refusal, which may come synchronously, sets it again
    const now = this.options.clock.now();
    for (const [sequence, pending] of this.pendingInOrder()) {
      if (pending.sentAt !== undefined) continue;
      if (this.repeats.isAtLimit) {
        this.hasUnsent = true;
        return;
      }
      this.repeats.countRepeat(pending);
      this.send(sequence, pending, now);
    }
  }

  /** Retransmits proposals to another member that leads, after their retransmit timeout. */
  private sendLost(now: number): void {
    if (this.leader === noMember || this.leader === this.options.member) return;
    for (const [sequence, pending] of this.pendingInOrder()) {
      if (pending.sentAt === undefined || pending.isSentOnce) continue;
      if (now - Math.max(pending.sentAt, this.oldestAppliedAt) < pending.retransmitMs) continue;
      if (this.repeats.isAtLimit && !pending.isRepeat) continue;
      this.repeats.countRepeat(pending);
      pending.retransmitMs *= 2;
      this.send(sequence, pending, now);
    }
  }

  /** Whether the decoded proposal is cached: a put's fields are the same as after encoding and decoding. */
  private isKept({ user, command }: DecodedProposal, data: Uint8Array): boolean {
    const isSmallPut = command?.$case === "put" && data.length <= maxKeptBytes;
    return isSmallPut && user === undefined && this.pending.size < maxKeptProposals;
  }

  /** Ends a proposal with an error: it was not applied here, and perhaps nowhere. */
  private giveUp(sequence: number, error: ServerError): void {
    const pending = this.takePending(sequence, false, this.options.clock.now());
    if (pending === undefined) return;
    this.givenUp++;
    pending.handler.onError(error);
  }

  private takePending(
    sequence: number,
    isApplied: boolean,
    now: number,
  ): PendingProposal<Results[CommandKind]> | undefined {
    if (isApplied) this.nextToApply = sequence + 1;
    const pending = this.pending.get(sequence);
    if (pending === undefined) return undefined; // ended before, at its deadline
    const beganAt = pending.deadline - this.options.timeoutMs;
    this.durations.observe(pending.kind, isApplied, (now - beganAt) / 1_000);
    if (isApplied && sequence === this.floor()) this.oldestAppliedAt = now;
    this.pending.delete(sequence);
    this.pendingBytes -= pending.data.length;
    if (this.repeats.uncountRepeat(pending) && this.repeats.isHalfEmpty) this.sendUnsent();
    return pending;
  }

  private sweep(): boolean {
    const now = this.options.clock.now();
    for (const [sequence, pending] of this.pendingInOrder()) {
      if (pending.deadline > now) break; // later ones have later deadlines
      this.giveUp(sequence, this.overdueError(pending));
    }
    this.sendLost(now);
    // A leader that is lost and found again within one turn of the event loop causes no `onLeaderChange`, but refuses
    // proposals.
    this.sendUnsent();
    return this.pending.size > 0;
  }

  /**
   * Ends proposals that cannot be applied any more. Every member records a window of `maxPendingProposals` sequences of this
   * member (`SeenProposals`), and skips sequences beyond it. A lost proposal must not hold the window back: later ones were
   * applied, so it never will be.
   */
  private giveUpBelow(sequence: number): void {
    for (let lowest = this.floor(); lowest < sequence; lowest = this.floor()) {
      const pending = this.pending.get(lowest);
      if (pending !== undefined) this.giveUp(lowest, this.overdueError(pending));
    }
  }

  /** Iterates over the pending proposals in order, including later additions: the first one has the nearest deadline. */
  private *pendingInOrder(): Generator<readonly [sequence: number, PendingProposal<Results[CommandKind]>]> {
    for (let sequence = this.floor(); sequence <= this.sequence; sequence++) {
      const pending = this.pending.get(sequence);
      if (pending !== undefined) yield [sequence, pending];
    }
  }

  /** The lowest unanswered sequence; if there is none, the next one. */
  private floor(): number {
    while (this.answeredBelow <= this.sequence && !this.pending.has(this.answeredBelow)) this.answeredBelow++;
    return this.answeredBelow;
  }

  /** Returns the error of a proposal at its deadline. An election since then is named as the likely cause, as in etcd. */
  private overdueError({ copies, beganUnder }: PendingProposal<unknown>): ServerError {
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

/** Bounds the retransmitted proposals in flight; new ones of clients are not counted. */
class Repeats {
  private count = 0;
  private bytes = 0;

  /** Whether no further one may be sent. */
  get isAtLimit(): boolean {
    return this.count >= maxRepeats || this.bytes >= maxRepeatBytes;
  }

  /** Whether further ones may be sent, all together. */
  get isHalfEmpty(): boolean {
    return this.count <= maxRepeats / 2 && this.bytes <= maxRepeatBytes / 2;
  }

  countRepeat(repeat: { readonly data: Uint8Array; isRepeat: boolean }): void {
    if (repeat.isRepeat) return;
    repeat.isRepeat = true;
    this.count++;
    this.bytes += repeat.data.length;
  }

  /** @returns whether it was counted */
  uncountRepeat(repeat: { readonly data: Uint8Array; isRepeat: boolean }): boolean {
    if (!repeat.isRepeat) return false;
    repeat.isRepeat = false;
    this.count--;
    this.bytes -= repeat.data.length;
    return true;
  }
}

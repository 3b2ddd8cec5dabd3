import { Proposal } from "../proto/index.js";
import type { Clock, MemberId, Refusal } from "../raft/index.js";
import { ServerError } from "./errors.js";
import { maxPendingProposalBytes, maxPendingProposals } from "./limits.js";
import { Sweeper } from "./sweeper.js";

export type Command = NonNullable<Proposal["command"]>;

/** What a proposal ends in: exactly one of them, once. */
export interface Settle<Result> {
  applied(result: Result): void;
  failed(error: unknown): void;
}

interface Pending<Result> {
  readonly data: Uint8Array;
  readonly deadline: number;
  /** How many leaders there had been when it was last handed to consensus; undefined: it has not been, for certain. */
  sentUnder: number | undefined;
  readonly settle: Settle<Result>;
}

export interface ProposalsOptions {
  readonly member: MemberId;
  readonly incarnation: number;
  /** Longest wait for an outcome, in milliseconds (etcd: 5 s + 2 election timeouts). */
  readonly timeoutMs: number;
  readonly maxRequestBytes: number;
  readonly clock: Clock;
  /** No more can be written to the log at present. */
  readonly isFull: () => boolean;
  /** Hands the proposal to consensus; a refusal comes back through `refused`. */
  readonly propose: (sequence: number, data: Uint8Array) => void;
}

/** What etcd's own envelope around a request takes: its size limit counts that, not ours. */
const etcdEnvelopeBytes = 14;

/**
 * The proposals of this member's clients: numbers each, waits until that number has been applied here, and ends
 * each exactly once: with its result, an error that says it was not done, or "outcome unknown" at the deadline.
 */
export class Proposals<Result> {
  /** By sequence, so the first is both the lowest unanswered and the one with the nearest deadline. */
  private readonly pending = new Map<number, Pending<Result>>();
  private pendingBytes = 0;
  private sequence = 0;
  private leaders = 0;
  private hasLeader = false;
  /** Some wait for a leader to be handed to. */
  private hasUnsent = false;
  private stopped = false;
  private readonly sweeper: Sweeper;

  constructor(private readonly options: ProposalsOptions) {
    this.sweeper = new Sweeper(options.clock, () => this.sweep());
  }

  /**
   * Proposes a command.
   *
   * @throws ServerError `request-too-large`, `too-many-requests`, `no-space`, `server-stopped`
   */
  propose(command: Command, settle: Settle<Result>): void {
    if (this.stopped) throw new ServerError("server-stopped", "the member is stopping");
    if (this.options.isFull()) throw new ServerError("no-space", "no space left for the log");
    if (this.pending.size >= maxPendingProposals || this.pendingBytes >= maxPendingProposalBytes)
      throw new ServerError("too-many-requests", `${this.pending.size} proposals are under way`);
    const sequence = this.sequence + 1;
    this.giveUpBelow(sequence - maxPendingProposals + 1);
    const data = this.encode(sequence, command);
    this.sequence = sequence;
    const deadline = this.options.clock.now() + this.options.timeoutMs;
    const pending: Pending<Result> = { data, deadline, sentUnder: undefined, settle };
    this.pending.set(sequence, pending);
    this.sweeper.wake();
    this.pendingBytes += data.length;
    // Without a leader it waits here: then it is certain at the deadline that it was not done.
    if (this.hasLeader) this.send(sequence, pending);
    else this.hasUnsent = true;
  }

  /** The first copy of this member's proposal `sequence` has been applied here. */
  applied(sequence: number, result: Result): void {
    this.take(sequence)?.settle.applied(result);
  }

  /** The same, for a command that changed nothing because of `error`. */
  failed(sequence: number, error: unknown): void {
    this.take(sequence)?.settle.failed(error);
  }

  /** Consensus did not take a proposal. */
  refused({ number, reason }: Refusal): void {
    const pending = this.pending.get(number);
    if (pending === undefined) return;
    if (reason === "too-many")
      this.failed(number, new ServerError("too-many-requests", "too much is waiting to be committed"));
    else {
      pending.sentUnder = undefined;
      this.hasUnsent = true;
    }
  }

  /** A leader was elected, or lost. What was never handed on is handed to the new one. */
  leaderChanged(hasLeader: boolean): void {
    this.leaders++;
    this.hasLeader = hasLeader;
    this.sendUnsent();
  }

  /** Ends all that wait: their outcome is unknown. */
  stop(): void {
    this.stopped = true;
    this.sweeper.stop();
    for (const sequence of [...this.pending.keys()])
      this.failed(sequence, new ServerError("server-stopped", "the member stopped before the outcome was known"));
  }

  /** How many wait for their outcome. */
  get size(): number {
    return this.pending.size;
  }

  private send(sequence: number, pending: Pending<Result>): void {
    pending.sentUnder = this.leaders;
    this.options.propose(sequence, pending.data);
  }

  private sendUnsent(): void {
    if (!this.hasLeader || !this.hasUnsent) return;
    this.hasUnsent = false; // a refusal, which may come at once, sets it again
    for (const [sequence, pending] of this.pending) if (pending.sentUnder === undefined) this.send(sequence, pending);
  }

  private encode(sequence: number, command: Command): Uint8Array {
    const { member, incarnation, maxRequestBytes } = this.options;
    const floor = this.pending.keys().next().value ?? sequence;
    const envelope = {
      member,
      incarnation: BigInt(incarnation),
      sequence: BigInt(sequence),
      floor: BigInt(floor),
    };
    const data = Proposal.encode({ ...envelope, command }).finish();
    if (data.length > maxRequestBytes) {
      const ours = Proposal.encode({ ...envelope, command: undefined }).finish().length;
      if (data.length - ours + etcdEnvelopeBytes > maxRequestBytes)
        throw new ServerError("request-too-large", `a proposal of ${data.length} bytes, ${maxRequestBytes} allowed`);
    }
    return data;
  }

  private take(sequence: number): Pending<Result> | undefined {
    const pending = this.pending.get(sequence);
    if (pending === undefined) return undefined; // its deadline has passed
    this.pending.delete(sequence);
    this.pendingBytes -= pending.data.length;
    return pending;
  }

  private sweep(): boolean {
    // A leader that was lost and found again within one turn of the loop is no news, but its refusals are.
    this.sendUnsent();
    const now = this.options.clock.now();
    for (const [sequence, pending] of this.pending) {
      if (pending.deadline > now) break; // the rest was proposed later
      this.failed(sequence, this.overdue(pending));
    }
    return this.pending.size > 0;
  }

  /**
   * Every member remembers of this one's proposals a window of so many (`SeenProposals`), and skips what lies beyond
   * it. One that got lost must not hold the window back: those after it were applied, so it never will be.
   */
  private giveUpBelow(sequence: number): void {
    for (const [lowest, pending] of this.pending) {
      if (lowest >= sequence) return;
      this.failed(lowest, this.overdue(pending));
    }
  }

  private overdue({ sentUnder }: Pending<Result>): ServerError {
    if (sentUnder === undefined) return new ServerError("not-proposed", "there was no leader to propose to");
    if (sentUnder !== this.leaders) return new ServerError("leader-lost", "the leader changed before it was committed");
    return new ServerError("timed-out", "not committed in time");
  }
}

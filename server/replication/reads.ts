import { emptyList } from "../../platform/index.js";
import type { Clock } from "../../platform/index.js";
import type { LogIndex, RaftNode, ReadState } from "../../raft/index.js";
import { maxPendingReads, ServerError } from "../base/index.js";
import { Sweeper } from "./sweeper.js";

/** A read that waits for a quorum round. It is the only object that waiting takes. Exactly one of both methods is called, once. */
export interface LinearizableRead {
  /** Set by `Reads`: the sweep that ends the wait. */
  deadline: number;
  /** The local state holds everything that was acknowledged before the read began. */
  onReady(): void;
  onError(error: unknown): void;
}

/** The options of `Reads`. */
export interface ReadsOptions {
  /** Longest wait, in milliseconds (etcd: 5 s + 2 election timeouts). */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** The log as far as it was applied here; `Applier` implements it. */
export interface AppliedLog {
  /** Calls back once everything up to `index` has been applied here, at once if it has. */
  whenApplied(index: LogIndex, callback: () => void): void;
}

/** A request or its answer may be lost on the way to the leader: it is asked again after this long. */
const retryMs = 500;
/** Confirmed rounds that wait for this member to catch up; with so many, no further one is begun. */
const maxConfirmedRounds = 64;

/** Reads that are answered before others run: with gRPC's part about 3 ms. */
export const maxReadsPerTurn = 100;

/** Reads whose round was confirmed: they wait until this member has applied up to its index. */
interface ConfirmedReads {
  reads: LinearizableRead[];
}

/**
 * Linearizable reads: one quorum round serves every read that arrived before it began (Raft thesis §6.4). One
 * round is under way at a time; what arrives meanwhile shares the next one.
 */
export class Reads {
  private waiting = emptyList<LinearizableRead>();
  private asked = emptyList<LinearizableRead>();
  /** The confirmed rounds, oldest first. */
  private readonly confirmedRounds = new Set<ConfirmedReads>();
  /** The confirmed rounds whose index has been applied. */
  private readonly ready = emptyList<ConfirmedReads>();
  /** Tells that reads were answered in this turn: further ones wait for the next turn. */
  private hasServed = false;
  private size = 0;
  private request = 0;
  /** The number under which the reads in `asked` were asked for first. */
  private firstRequest = 0;
  private askedAt = 0;
  private stopped = false;
  private slow = 0;
  private refused = 0;
  private readonly sweeper: Sweeper;

  /** @param node consensus, which is asked for read indexes; the answer comes through `onReadState`, or never */
  constructor(
    private readonly options: ReadsOptions,
    private readonly node: Pick<RaftNode, "readIndex">,
    private readonly log: AppliedLog,
  ) {
    this.sweeper = new Sweeper(options.clock, () => this.sweep());
  }

  /**
   * Tells a read when the local state holds everything that was acknowledged before this call.
   *
   * @throws ServerError `too-many-requests`, `server-stopped`
   */
  whenLinearizable(read: LinearizableRead): void {
    if (this.stopped) throw new ServerError("server-stopped", "the member is stopping");
    if (this.size >= maxPendingReads)
      throw new ServerError("too-many-requests", `${maxPendingReads} reads are waiting`);
    this.size++;
    this.sweeper.wake();
    read.deadline = this.sweeper.sweepAfter(this.options.timeoutMs);
    this.waiting.push(read);
    // Asked at the end of this turn of the loop: reads that arrive together share one round.
    if (this.asked.length === 0 && this.waiting.length === 1) this.options.clock.soon(() => this.askIfIdle());
  }

  /** Handles a read index that a quorum round has confirmed. */
  onReadState({ request, index }: ReadState): void {
    // If it was asked again meanwhile, the first answer will do: it, too, was asked for after all these reads came.
    if (request < this.firstRequest || this.asked.length === 0) {
      this.slow++;
      return;
    }
    const round: ConfirmedReads = { reads: this.asked };
    this.asked = emptyList();
    this.confirmedRounds.add(round);
    this.log.whenApplied(index, () => {
      this.ready.push(round);
      if (!this.hasServed) this.serve();
    });
    this.askIfIdle();
  }

  /** Handles a refusal by consensus: the request is repeated when a leader is known, at the latest after `retryMs`. */
  onRefusal(request: number): void {
    this.refused++;
    if (request === this.request) this.askedAt = this.options.clock.now();
  }

  /** Repeats the request to a new leader: it may be lost with the former one. */
  onLeaderChange(hasLeader: boolean): void {
    if (hasLeader && this.asked.length > 0) this.ask();
  }

  /** The number of requests for a read index that were answered too late, or not in time. */
  get slowRequests(): number {
    return this.slow;
  }

  /** The number of requests for a read index that consensus refused. */
  get refusedRequests(): number {
    return this.refused;
  }

  stop(): void {
    this.stopped = true;
    this.sweeper.stop();
    const error = new ServerError("server-stopped", "the member is stopping");
    const confirmed = [...this.confirmedRounds].flatMap((round) => round.reads.splice(0));
    for (const read of [...confirmed, ...this.asked.splice(0), ...this.waiting.splice(0)]) read.onError(error);
    this.size = 0;
  }

  /** Answers as many as one turn may take. What is applied before the next turn makes the others no less linearizable. */
  private serve(): void {
    this.hasServed = true;
    this.options.clock.soon(() => {
      this.hasServed = false;
      if (this.ready.length > 0) this.serve();
    });
    let left = maxReadsPerTurn;
    for (let round = this.ready[0]; round !== undefined && left > 0; round = this.ready[0]) {
      const reads = round.reads.splice(0, left);
      if (round.reads.length === 0) {
        this.ready.shift();
        this.confirmedRounds.delete(round);
      }
      left -= reads.length;
      this.size -= reads.length;
      for (const read of reads) read.onReady();
    }
    this.askIfIdle();
  }

  private askIfIdle(): void {
    if (this.asked.length > 0 || this.waiting.length === 0 || this.stopped) return;
    if (this.confirmedRounds.size >= maxConfirmedRounds) return;
    this.asked = this.waiting;
    this.waiting = emptyList();
    this.firstRequest = this.request + 1;
    this.ask();
  }

  private ask(): void {
    this.request++;
    this.askedAt = this.options.clock.now();
    this.node.readIndex(this.request);
  }

  private sweep(): boolean {
    const now = this.options.clock.now();
    for (const round of this.confirmedRounds) round.reads = this.failOverdue(round.reads);
    this.asked = this.failOverdue(this.asked);
    this.waiting = this.failOverdue(this.waiting);
    if (this.asked.length > 0 && now - this.askedAt >= retryMs) this.ask();
    else this.askIfIdle();
    return this.size > 0;
  }

  private failOverdue(reads: LinearizableRead[]): LinearizableRead[] {
    const { sweeps } = this.sweeper;
    const first = reads[0];
    if (first === undefined || first.deadline > sweeps) return reads; // in order of arrival: the rest has more time
    const left = reads.filter((read) => read.deadline > sweeps);
    this.size -= reads.length - left.length;
    this.slow++;
    const error = new ServerError("timed-out", "the read was not confirmed, or not applied here, in time");
    for (const read of reads) if (read.deadline <= sweeps) read.onError(error);
    return left;
  }
}

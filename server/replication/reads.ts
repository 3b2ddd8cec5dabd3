import { emptyList } from "../../platform/index.js";
import type { Clock } from "../../platform/index.js";
import type { LogIndex, RaftNode, ReadState } from "../../raft/index.js";
import { maxPendingReads, ServerError } from "../base/index.js";
import { Sweeper } from "./sweeper.js";

/** A read that waits for a quorum round, the only object that a wait allocates. Exactly one of its methods is called, once. */
export interface LinearizableRead {
  /** Set by `Reads`: the number of the sweep that ends the wait. */
  dueSweep: number;
  /** The local state contains all writes that were acknowledged before the read began. */
  onReady(): void;
  onError(error: unknown): void;
}

/** The options of `Reads`. */
export interface ReadsOptions {
  /** The maximum wait, in milliseconds (etcd: 5 s + 2 election timeouts). */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** The applied part of the log; `Applier` implements it. */
export interface AppliedLog {
  /** Calls back once all entries up to `index` are applied here, at once if they are. */
  callWhenApplied(index: LogIndex, callback: () => void): void;
}

/** The time after which a read index is requested again, in milliseconds: the request or its answer may be lost. */
const retryMs = 500;
/** The maximum number of confirmed rounds that wait for this member to catch up; at the limit, no further round begins. */
const maxConfirmedRounds = 64;

/** The maximum number of reads answered per turn of the event loop: about 3 ms, including gRPC. */
export const maxReadsPerTurn = 100;

/** Reads of a confirmed round: they wait until this member has applied the log up to the read index. */
interface ConfirmedReads {
  reads: LinearizableRead[];
}

/**
 * Linearizable reads: one quorum round serves every read that arrived before it began (Raft thesis §6.4). A single round is in
 * progress at a time; reads that arrive meanwhile share the next one.
 */
export class Reads {
  private waiting = emptyList<LinearizableRead>();
  private asked = emptyList<LinearizableRead>();
  /** The confirmed rounds, oldest first. */
  private readonly confirmedRounds = new Set<ConfirmedReads>();
  /** The confirmed rounds whose read index is applied. */
  private readonly ready = emptyList<ConfirmedReads>();
  /** Whether reads were answered in this turn: further ones wait for the next turn. */
  private hasServed = false;
  private size = 0;
  private request = 0;
  /** The number of the first request for the reads in `asked`. */
  private firstRequest = 0;
  private askedAt = 0;
  private isStopped = false;
  private slow = 0;
  private refused = 0;
  private readonly sweeper: Sweeper;

  /** @param node consensus, which gets the requests for read indexes; an answer comes through `onReadState`, or never */
  constructor(
    private readonly options: ReadsOptions,
    private readonly node: Pick<RaftNode, "readIndex">,
    private readonly log: AppliedLog,
  ) {
    this.sweeper = new Sweeper(options.clock, () => this.sweep());
  }

  /**
   * Calls the read back once the local state contains all writes that were acknowledged before this call.
   *
   * @throws ServerError `too-many-requests`, `server-stopped`
   */
  startRead(read: LinearizableRead): void {
    if (this.isStopped) throw new ServerError("server-stopped", "the member is stopping");
    if (this.size >= maxPendingReads)
      throw new ServerError("too-many-requests", `${maxPendingReads} reads are waiting`);
    this.size++;
    this.sweeper.wake();
    read.dueSweep = this.sweeper.sweepAfter(this.options.timeoutMs);
    this.waiting.push(read);
    // The request is sent at the end of this turn of the event loop: reads that arrive together share one round.
    if (this.asked.length === 0 && this.waiting.length === 1) this.options.clock.soon(() => this.askIfIdle());
  }

  /** Called with a read index that a quorum round has confirmed. */
  onReadState({ request, index }: ReadState): void {
    // After a repeated request, the first answer is sufficient: its request, too, came after all these reads.
    if (request < this.firstRequest || this.asked.length === 0) {
      this.slow++;
      return;
    }
    const round: ConfirmedReads = { reads: this.asked };
    this.asked = emptyList();
    this.confirmedRounds.add(round);
    this.log.callWhenApplied(index, () => {
      this.ready.push(round);
      if (!this.hasServed) this.serve();
    });
    this.askIfIdle();
  }

  /** Called when consensus refuses a request: it is repeated when a leader is known, after `retryMs` at the latest. */
  onRefusal(request: number): void {
    this.refused++;
    if (request === this.request) this.askedAt = this.options.clock.now();
  }

  /** Repeats the request to a new leader: the former one may have lost it. */
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
    this.isStopped = true;
    this.sweeper.stop();
    const error = new ServerError("server-stopped", "the member is stopping");
    const confirmed = [...this.confirmedRounds].flatMap((round) => round.reads.splice(0));
    for (const read of [...confirmed, ...this.asked.splice(0), ...this.waiting.splice(0)]) read.onError(error);
    this.size = 0;
  }

  /** Answers the reads of one turn. Entries that are applied before the next turn leave the others linearizable. */
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
    if (this.asked.length > 0 || this.waiting.length === 0 || this.isStopped) return;
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
    if (first === undefined || first.dueSweep > sweeps) return reads; // in order of arrival: later ones have later deadlines
    const left = reads.filter((read) => read.dueSweep > sweeps);
    this.size -= reads.length - left.length;
    this.slow++;
    const error = new ServerError("timed-out", "the read was not confirmed, or not applied here, in time");
    for (const read of reads) if (read.dueSweep <= sweeps) read.onError(error);
    return left;
  }
}

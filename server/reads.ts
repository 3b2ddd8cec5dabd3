import type { Clock, LogIndex, ReadState } from "../raft/index.js";
import { ServerError } from "./errors.js";
import { maxPendingReads } from "./limits.js";

interface WaitingRead {
  readonly deadline: number;
  readonly ready: () => void;
  readonly failed: (error: unknown) => void;
}

export interface ReadsOptions {
  /** Longest wait, in milliseconds (etcd: 5 s + 2 election timeouts). */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Asks consensus for a read index; the answer comes through `confirmed`, or never. */
  readonly readIndex: (request: number) => void;
  /** Calls back once everything up to `index` has been applied here. */
  readonly whenApplied: (index: LogIndex, callback: () => void) => void;
}

/** A request or its answer may be lost on the way to the leader: it is asked again after this long. */
const retryMs = 500;
const sweepMs = 50;

/**
 * Linearizable reads: one quorum round serves every read that arrived before it began (Raft thesis §6.4). One
 * round is under way at a time; what arrives meanwhile shares the next one.
 */
export class Reads {
  private waiting: WaitingRead[] = [];
  private asked: WaitingRead[] = [];
  private request = 0;
  private askedAt = 0;
  private stopped = false;
  private readonly stopSweep: () => void;

  constructor(private readonly options: ReadsOptions) {
    this.stopSweep = options.clock.every(sweepMs, () => this.sweep());
  }

  /**
   * Calls `ready` when the local state holds everything that was acknowledged before this call.
   *
   * @throws ServerError `too-many-requests`, `server-stopped`
   */
  whenLinearizable(ready: () => void, failed: (error: unknown) => void): void {
    if (this.stopped) throw new ServerError("server-stopped", "the member is stopping");
    if (this.waiting.length + this.asked.length >= maxPendingReads)
      throw new ServerError("too-many-requests", `${maxPendingReads} reads are waiting`);
    this.waiting.push({ deadline: this.options.clock.now() + this.options.timeoutMs, ready, failed });
    // Asked at the end of this turn of the loop: reads that arrive together share one round.
    if (this.asked.length === 0 && this.waiting.length === 1) this.options.clock.soon(() => this.askIfIdle());
  }

  /** The quorum round of `request` has confirmed the index. */
  confirmed({ request, index }: ReadState): void {
    if (request !== this.request || this.asked.length === 0) return; // asked again since
    const reads = this.asked;
    this.asked = [];
    this.options.whenApplied(index, () => {
      for (const read of reads) read.ready();
    });
    this.askIfIdle();
  }

  /** Consensus could not take the request: it is asked again when a leader is known, at the latest by `retryMs`. */
  refused(request: number): void {
    if (request === this.request) this.askedAt = this.options.clock.now();
  }

  /** A new leader is known: what the former one was asked may be lost with it. */
  leaderChanged(hasLeader: boolean): void {
    if (hasLeader && this.asked.length > 0) this.ask();
  }

  stop(): void {
    this.stopped = true;
    this.stopSweep();
    const error = new ServerError("server-stopped", "the member is stopping");
    for (const read of [...this.asked.splice(0), ...this.waiting.splice(0)]) read.failed(error);
  }

  private askIfIdle(): void {
    if (this.asked.length > 0 || this.waiting.length === 0 || this.stopped) return;
    this.asked = this.waiting;
    this.waiting = [];
    this.ask();
  }

  /** A new number each time: an answer to an earlier one speaks of an earlier moment, and is still later than its reads. */
  private ask(): void {
    this.request++;
    this.askedAt = this.options.clock.now();
    this.options.readIndex(this.request);
  }

  private sweep(): void {
    const now = this.options.clock.now();
    this.asked = this.failOverdue(this.asked, now);
    this.waiting = this.failOverdue(this.waiting, now);
    if (this.asked.length > 0 && now - this.askedAt >= retryMs) this.ask();
    else this.askIfIdle();
  }

  private failOverdue(reads: WaitingRead[], now: number): WaitingRead[] {
    const first = reads[0];
    if (first === undefined || first.deadline > now) return reads; // in order of arrival: the rest has more time
    const left = reads.filter((read) => read.deadline > now);
    const error = new ServerError("timed-out", "no quorum confirmed the read in time");
    for (const read of reads) if (read.deadline <= now) read.failed(error);
    return left;
  }
}

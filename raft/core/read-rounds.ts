import type { LogIndex, MemberId } from "./ids.js";

/** A read that waits until a quorum confirms the leader. */
export interface PendingRead {
  /** The member whose client reads: the leader itself, or a follower that forwarded the read. */
  readonly from: MemberId;
  /** The number that `from` gave the read. */
  readonly request: number;
}

/** The reads that one round of heartbeats serves, and the commit index at its start. */
export interface ReadRound {
  readonly round: number;
  readonly index: LogIndex;
  readonly reads: readonly PendingRead[];
}

/**
 * The pending reads of a leader. A round serves every read that arrived before it began; later reads wait for the next round,
 * so the number of rounds does not grow with the number of reads. Raft thesis §6.4.
 */
export class ReadRounds {
  private waiting: PendingRead[] = [];
  private readonly rounds: ReadRound[] = [];
  private pendingCount = 0;

  /** The number of unanswered reads. */
  get size(): number {
    return this.pendingCount;
  }

  /** Tells whether reads wait and no round is under way. */
  get isRoundDue(): boolean {
    return this.waiting.length > 0 && this.rounds.length === 0;
  }

  /** Adds a read to the next round. */
  addRead(read: PendingRead): void {
    this.waiting.push(read);
    this.pendingCount++;
  }

  /** Assigns the waiting reads to `round`; its heartbeats must be sent afterwards. */
  beginRound(round: number, index: LogIndex): void {
    if (this.waiting.length === 0) return;
    this.rounds.push({ round, index, reads: this.waiting });
    this.waiting = [];
  }

  /** Removes and returns the oldest round that a quorum's answers to `round` confirm; undefined if there is none. */
  takeConfirmedRound(round: number): ReadRound | undefined {
    const oldest = this.rounds[0];
    if (oldest === undefined || oldest.round > round) return undefined;
    this.rounds.shift();
    this.pendingCount -= oldest.reads.length;
    return oldest;
  }

  /** Returns all unanswered reads. */
  pendingReads(): readonly PendingRead[] {
    return [...this.rounds.flatMap(({ reads }) => reads), ...this.waiting];
  }
}

import type { LogIndex, MemberId } from "./types.js";

/** A read that waits for its leader to be confirmed. */
export interface PendingRead {
  /** Who asked; the leader itself, or a follower that forwarded it. */
  readonly from: MemberId;
  /** The asker's number for it. */
  readonly request: number;
}

/** Reads that one round of heartbeats serves, and the commit index at its start. */
export interface ReadRound {
  readonly round: number;
  readonly index: LogIndex;
  readonly reads: readonly PendingRead[];
}

/**
 * The reads a leader owes an index to. A round serves every read that arrived before it began; what arrives
 * while it is unanswered gathers for the next one, so that reads cost rounds and not the other way. Raft thesis §6.4.
 */
export class ReadRounds {
  private waiting: PendingRead[] = [];
  private readonly rounds: ReadRound[] = [];
  private pendingCount = 0;

  /** Reads not answered yet. */
  get size(): number {
    return this.pendingCount;
  }

  /** Whether reads wait for a round and none is under way that they would come after. */
  get isRoundDue(): boolean {
    return this.waiting.length > 0 && this.rounds.length === 0;
  }

  addRead(read: PendingRead): void {
    this.waiting.push(read);
    this.pendingCount++;
  }

  /** The gathered reads join `round`, whose heartbeats leave after this. */
  beginRound(round: number, index: LogIndex): void {
    if (this.waiting.length === 0) return;
    this.rounds.push({ round, index, reads: this.waiting });
    this.waiting = [];
  }

  /** Takes the next batch that a majority's answers to `round` confirm. */
  takeConfirmedRound(round: number): ReadRound | undefined {
    const oldest = this.rounds[0];
    if (oldest === undefined || oldest.round > round) return undefined;
    this.rounds.shift();
    this.pendingCount -= oldest.reads.length;
    return oldest;
  }

  /** All that will find no answer here. */
  pendingReads(): readonly PendingRead[] {
    return [...this.rounds.flatMap(({ reads }) => reads), ...this.waiting];
  }
}

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
  private gathering: PendingRead[] = [];
  private readonly begun: ReadRound[] = [];
  private pending = 0;

  /** Reads not answered yet. */
  get size(): number {
    return this.pending;
  }

  /** Whether reads wait for a round and none is under way that they would come after. */
  get isDue(): boolean {
    return this.gathering.length > 0 && this.begun.length === 0;
  }

  add(read: PendingRead): void {
    this.gathering.push(read);
    this.pending++;
  }

  /** The gathered reads join `round`, whose heartbeats leave after this. */
  begin(round: number, index: LogIndex): void {
    if (this.gathering.length === 0) return;
    this.begun.push({ round, index, reads: this.gathering });
    this.gathering = [];
  }

  /** Takes the next batch that a majority's answers to `round` confirm. */
  takeConfirmed(round: number): ReadRound | undefined {
    const oldest = this.begun[0];
    if (oldest === undefined || oldest.round > round) return undefined;
    this.begun.shift();
    this.pending -= oldest.reads.length;
    return oldest;
  }

  /** All that will find no answer here. */
  all(): readonly PendingRead[] {
    return [...this.begun.flatMap(({ reads }) => reads), ...this.gathering];
  }
}

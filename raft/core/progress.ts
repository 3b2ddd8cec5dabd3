import { entryBytes, type CoreLimits } from "./limits.js";
import type { Entry, LogIndex } from "./types.js";

interface Inflight {
  readonly lastIndex: LogIndex;
  readonly bytes: number;
}

/**
 * A follower as its leader sees it. Raft paper, figure 2: `match` and `next`.
 *
 * While it is not known where the logs agree, one append at a time *probes*; the first acceptance starts
 * *replication*, where appends follow each other unanswered, within the bounds of the limits.
 */
export class Progress {
  match = 0 as LogIndex;
  /** The newest commit index sent to this follower that it could take over. */
  commitSent = 0 as LogIndex;
  /** The newest round of heartbeats it answered. Raft thesis §6.4. */
  round = 0;
  /** The leader's tick at which it was last heard. */
  heardAt: number;
  private nextIndex: LogIndex;
  private replicating = false;
  /** Probing: an append is on its way, the next one waits for its answer. */
  private probeSent = false;
  private inflight: Inflight[] = [];
  private inflightBytes = 0;
  /** An append was answered since the last heartbeat. */
  private answered = false;
  private stalled = false;

  constructor(start: { next: LogIndex; now: number }) {
    this.nextIndex = start.next;
    this.heardAt = start.now;
  }

  get next(): LogIndex {
    return this.nextIndex;
  }

  /** Whether one more append may be sent now. */
  mayAppend(limits: CoreLimits): boolean {
    if (!this.replicating) return !this.probeSent;
    return this.inflight.length < limits.maxInflightAppends && this.inflightBytes < limits.maxInflightBytes;
  }

  /** Entries were sent, beginning at `next`. */
  sent(entries: readonly Entry[]): void {
    if (!this.replicating) {
      this.probeSent = true;
      return;
    }
    let bytes = 0;
    for (const entry of entries) bytes += entryBytes(entry);
    this.nextIndex = (this.nextIndex + entries.length) as LogIndex;
    this.inflight.push({ lastIndex: (this.nextIndex - 1) as LogIndex, bytes });
    this.inflightBytes += bytes;
  }

  /** The follower's log agrees with ours up to `index`. */
  accepted(index: LogIndex): void {
    this.answered = true;
    this.stalled = false;
    if (index > this.match) this.match = index;
    if (this.nextIndex <= this.match) this.nextIndex = (this.match + 1) as LogIndex;
    if (!this.replicating) {
      // An old answer may be all this is: what it speaks of agrees, and that is where to go on from.
      this.replicating = true;
      this.nextIndex = (this.match + 1) as LogIndex;
      this.clearInflight();
      return;
    }
    let oldest = this.inflight[0];
    while (oldest !== undefined && oldest.lastIndex <= index) {
      this.inflight.shift();
      this.inflightBytes -= oldest.bytes;
      oldest = this.inflight[0];
    }
  }

  /**
   * The follower does not hold what preceded an append.
   *
   * @param index the `prevIndex` that was refused
   * @param agreeAt where the logs might still agree, going by the follower's hint
   */
  refused(index: LogIndex, agreeAt: LogIndex): void {
    this.answered = true;
    if (this.replicating) {
      if (index <= this.match) return; // overtaken by an acceptance
      this.probe();
      return;
    }
    if (index !== this.nextIndex - 1) return; // answers an earlier probe
    this.nextIndex = (Math.max(this.match, Math.min(index - 1, agreeAt)) + 1) as LogIndex;
    this.probeSent = false;
  }

  /** Starts over from what is known to match: what was on its way is taken for lost. */
  probe(): void {
    this.replicating = false;
    this.probeSent = false;
    this.stalled = false;
    this.nextIndex = (this.match + 1) as LogIndex;
    this.clearInflight();
  }

  /** Called with every heartbeat: an append that no answer came for since the last one may be lost. */
  beat(): void {
    const waiting = this.replicating ? this.match < this.nextIndex - 1 : this.probeSent;
    this.stalled = waiting && !this.answered;
    this.answered = false;
  }

  /**
   * The follower can be reached again.
   *
   * @returns true if it should be asked, by an append without entries, whether it holds all that was sent;
   *   a refusal then starts the probing
   */
  reached(): boolean {
    if (!this.stalled) return false;
    this.stalled = false;
    if (this.replicating) return true;
    this.probeSent = false;
    return false;
  }

  private clearInflight(): void {
    this.inflight = [];
    this.inflightBytes = 0;
  }
}

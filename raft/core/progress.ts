import { entryBytes, type CoreLimits } from "./limits.js";
import type { Log } from "./log.js";
import type { Entry, LogIndex } from "./types.js";

interface Inflight {
  readonly lastIndex: LogIndex;
  readonly bytes: number;
}

/**
 * A follower as its leader sees it. Raft paper, figure 2: `match` and `next`.
 *
 * While it is not known where the logs agree, one append at a time is *probing*; the first acceptance starts
 * *replicating*, where appends follow each other unanswered, within the bounds of the limits. A follower that says that it
 * lacks what the leader's log begins after needs a *snapshot*, and no appends until it has that one. Raft paper §7.
 */
export class Progress {
  match = 0 as LogIndex;
  /** The newest commit index sent to this follower that it could take over. */
  commitSent = 0 as LogIndex;
  /** The newest round of heartbeats it answered. Raft thesis §6.4. */
  round = 0;
  /** The leader's tick at which it was last heard. */
  activeAt: number;
  /** Its link has not closed since it was heard: it may be asked to take over. */
  isConnected = true;
  private readonly log: Pick<Log, "base" | "lastIndex">;
  /** Beyond the log's base, but for a follower that needs a snapshot: what precedes an append must be known. */
  private nextIndex: LogIndex;
  private state: "probing" | "replicating" | "snapshot" = "probing";
  /** Probing: an append is on its way, the next one waits for its answer. */
  private isProbeSent = false;
  private inflight: Inflight[] = [];
  private inflightBytes = 0;
  /** An append was answered since the last heartbeat. */
  private isAnswered = false;
  private isStalled = false;

  /** @param log the leader's */
  constructor(log: Pick<Log, "base" | "lastIndex">, now: number) {
    this.log = log;
    this.nextIndex = (log.lastIndex + 1) as LogIndex;
    this.activeAt = now;
  }

  get next(): LogIndex {
    return this.nextIndex;
  }

  /** Whether one more append is to be sent now. A probe that finds nothing new to send still asks what the follower holds. */
  isAppendDue(limits: CoreLimits): boolean {
    switch (this.state) {
      case "probing":
        return !this.isProbeSent && this.match < this.log.lastIndex;
      case "replicating":
        return (
          this.nextIndex <= this.log.lastIndex &&
          this.inflight.length < limits.maxInflightAppends &&
          this.inflightBytes < limits.maxInflightBytes
        );
      case "snapshot":
        return false;
    }
  }

  /** Entries were sent, beginning at `next`; none, if it was only asked whether what precedes them is held. */
  onAppendSent(entries: readonly Entry[]): void {
    if (this.state !== "replicating") {
      this.isProbeSent = true;
      return;
    }
    if (entries.length === 0) return;
    let bytes = 0;
    for (const entry of entries) bytes += entryBytes(entry);
    this.nextIndex = (this.nextIndex + entries.length) as LogIndex;
    this.inflight.push({ lastIndex: (this.nextIndex - 1) as LogIndex, bytes });
    this.inflightBytes += bytes;
  }

  /** The follower's log agrees with ours up to `index`. */
  onAppendAccepted(index: LogIndex): void {
    this.isAnswered = true;
    this.isStalled = false;
    if (index > this.match) this.match = index;
    if (this.state !== "replicating") {
      if (this.match < this.log.base.index) return; // an old answer: we could not go on from there
      // An old answer may be all this is: what it speaks of agrees, and that is where to go on from.
      this.state = "replicating";
      this.nextIndex = (this.match + 1) as LogIndex;
      this.clearInflight();
      return;
    }
    if (this.nextIndex <= this.match) this.nextIndex = (this.match + 1) as LogIndex;
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
   * @returns true if only a snapshot helps, from now on
   */
  onAppendRefused(index: LogIndex, agreeAt: LogIndex): boolean {
    this.isAnswered = true;
    if (this.state === "snapshot") return false;
    if (this.state === "replicating") {
      if (index > this.match) this.startProbing(this.match); // otherwise overtaken by an acceptance
      return false;
    }
    if (index !== this.nextIndex - 1) return false; // answers an earlier probe
    const agreed = Math.max(this.match, Math.min(index - 1, agreeAt)) as LogIndex;
    // Only the follower's own word begins a snapshot: one that lies far behind in our books may hold more than we know.
    if (agreed < this.log.base.index) this.state = "snapshot";
    else this.startProbing(agreed);
    return this.state === "snapshot";
  }

  /** The link closed: what was on its way is taken for lost. (A snapshot has a way and an end of its own.) */
  onLinkClosed(): void {
    this.isConnected = false;
    if (this.state === "replicating") this.startProbing(this.match);
    else this.isProbeSent = false;
    this.isStalled = false;
  }

  /** The log begins later than it did. */
  onLogCompacted(): void {
    if (this.state !== "snapshot" && this.nextIndex <= this.log.base.index) this.startProbing(this.match);
  }

  /** The snapshot arrived, or did not: the follower is asked which. */
  onSnapshotEnded(): void {
    if (this.state === "snapshot") this.startProbing(this.match);
  }

  /** Starts over from `agreed`, or from where the log begins: what was on its way is taken for lost. */
  private startProbing(agreed: LogIndex): void {
    this.state = "probing";
    this.nextIndex = (Math.max(agreed, this.log.base.index) + 1) as LogIndex;
    this.isProbeSent = false;
    this.isStalled = false;
    this.clearInflight();
  }

  /** Called with every heartbeat: an append that no answer came for since the last one may be lost. */
  onHeartbeatDue(): void {
    const waiting = this.state === "replicating" ? this.match < this.nextIndex - 1 : this.isProbeSent;
    this.isStalled = waiting && !this.isAnswered;
    this.isAnswered = false;
  }

  /**
   * The follower can be reached again.
   *
   * @returns true if it should be asked, by an append without entries, whether it holds all that was sent;
   *   a refusal then starts the probing
   */
  onHeartbeatReply(): boolean {
    if (!this.isStalled) return false;
    this.isStalled = false;
    if (this.state === "replicating") return true;
    this.isProbeSent = false;
    return false;
  }

  private clearInflight(): void {
    this.inflight = [];
    this.inflightBytes = 0;
  }
}

import { entryBytes, type CoreLimits } from "./limits.js";
import type { Log } from "./log.js";
import type { LogIndex } from "./ids.js";
import type { Entry } from "./types.js";

interface Inflight {
  readonly lastIndex: LogIndex;
  readonly bytes: number;
}

/**
 * The replication progress of a follower, as its leader knows it. Raft paper, figure 2: `matchIndex` and `nextIndex`.
 *
 * *probing*: one append at a time, until the follower accepts one. *replicating*: appends are pipelined within the limits.
 * *snapshot*: the follower needs compacted entries and is sent no appends until its snapshot has ended (paper §7). The
 * states are etcd's StateProbe, StateReplicate and StateSnapshot.
 *
 * An example, for a leader with entries 1 to 9 and a follower with entries 1 to 5:
 *
 * | event | state | next | match | in flight |
 * | --- | --- | --- | --- | --- |
 * | the leader is elected | probing | 10 | 0 | |
 * | the append of entry 10 is refused, hint 5 | probing | 6 | 0 | |
 * | the append of entries 6 to 10 is accepted | replicating | 11 | 10 | |
 * | entries 11 and 12 are sent, one append each | replicating | 13 | 10 | 11, 12 |
 * | index 11 is acknowledged | replicating | 13 | 11 | 12 |
 * | the link closes | probing | 12 | 11 | |
 */
export class Progress {
  /** The last index known to be on the follower's disk. */
  match = 0 as LogIndex;
  /** The greatest commit index sent to this follower. */
  commitSent = 0 as LogIndex;
  /** The last round of heartbeats that the follower answered. Raft thesis §6.4. */
  round = 0;
  /** The leader's tick of the last message from the follower. */
  activeAt: number;
  /** Tells whether the link has stayed open since the follower's last message: only then it may become transferee. */
  isConnected = true;
  private readonly log: Pick<Log, "base" | "lastIndex">;
  /** The next index to send: after the log's base, except in state `snapshot`, because an append names the entry before it. */
  private nextIndex: LogIndex;
  private state: "probing" | "replicating" | "snapshot" = "probing";
  /** Tells, while probing, that an append is in flight: the next one waits for its answer. */
  private isProbeSent = false;
  private inflight: Inflight[] = [];
  private inflightBytes = 0;
  /** Tells that an append was answered since the last heartbeat. */
  private isAnswered = false;
  private isStalled = false;

  /** @param log the leader's log @param now the leader's tick */
  constructor(log: Pick<Log, "base" | "lastIndex">, now: number) {
    this.log = log;
    this.nextIndex = (log.lastIndex + 1) as LogIndex;
    this.activeAt = now;
  }

  /** The next index to send. */
  get next(): LogIndex {
    return this.nextIndex;
  }

  /** The last index that the follower holds once all appends in flight have arrived. */
  get sentIndex(): LogIndex {
    return this.state === "replicating" ? ((this.nextIndex - 1) as LogIndex) : this.match;
  }

  /** Tells whether to send one more append now. A probe without new entries still asks whether the logs match. */
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

  /** Records an append with `entries` from `next` on; without entries it only asked whether the logs match. */
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

  /** Records that the follower's log matches up to `index`. */
  onAppendAccepted(index: LogIndex): void {
    this.isAnswered = true;
    this.isStalled = false;
    if (index > this.match) this.match = index;
    if (this.state !== "replicating") {
      if (this.match < this.log.base.index) return; // an old answer: the entries after it are compacted
      // Even an old answer names a matching index, and replication continues from there.
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
   * Searches backwards after a refused append. Raft paper §5.3, end.
   *
   * @param index the `prevIndex` that was refused
   * @param agreeAt the greatest index at which the logs may match, by the follower's hint
   * @returns true if the follower now needs a snapshot
   */
  onAppendRefused(index: LogIndex, agreeAt: LogIndex): boolean {
    this.isAnswered = true;
    if (this.state === "snapshot") return false;
    if (this.state === "replicating") {
      if (index > this.match) this.startProbing(this.match); // otherwise an acceptance has overtaken it
      return false;
    }
    if (index !== this.nextIndex - 1) return false; // answers an earlier probe
    const agreed = Math.max(this.match, Math.min(index - 1, agreeAt)) as LogIndex;
    // Only a refusal starts a snapshot: a follower with an old match may hold more than the leader knows.
    if (agreed < this.log.base.index) this.state = "snapshot";
    else this.startProbing(agreed);
    return this.state === "snapshot";
  }

  /** Handles the end of a connection to or from the follower. */
  onLinkClosed(): void {
    this.isConnected = false;
    this.onInflightLost();
  }

  /** Probes from the match: the appends in flight are lost. A snapshot has its own connection and end. */
  onInflightLost(): void {
    if (this.state === "replicating") this.startProbing(this.match);
    else this.isProbeSent = false;
    this.isStalled = false;
  }

  /** Probes from the new base if the next entry was compacted. */
  onLogCompacted(): void {
    if (this.state !== "snapshot" && this.nextIndex <= this.log.base.index) this.startProbing(this.match);
  }

  /** Probes after a snapshot, successful or not: the answer tells which. */
  onSnapshotEnded(): void {
    if (this.state === "snapshot") this.startProbing(this.match);
  }

  /** Probes from the entry after `agreed`, or after the base if that is later; appends in flight count as lost. */
  private startProbing(agreed: LogIndex): void {
    this.state = "probing";
    this.nextIndex = (Math.max(agreed, this.log.base.index) + 1) as LogIndex;
    this.isProbeSent = false;
    this.isStalled = false;
    this.commitSent = Math.min(this.commitSent, this.match) as LogIndex; // commits beyond the match may have been ignored, and are sent again
    this.clearInflight();
  }

  /** Marks the follower stalled if no append was answered since the last heartbeat: one may be lost. */
  onHeartbeatDue(): void {
    const waiting = this.state === "replicating" ? this.match < this.nextIndex - 1 : this.isProbeSent;
    this.isStalled = waiting && !this.isAnswered;
    this.isAnswered = false;
  }

  /**
   * Resumes a stalled follower that answers heartbeats.
   *
   * @returns true if the leader should send an append without entries, which a follower that lost an append refuses
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

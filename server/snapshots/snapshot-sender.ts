import type { Clock } from "../../platform/index.js";
import type { CoreStatus, MemberId, RaftNode, Term } from "../../raft/index.js";
import { formatId, type Logger } from "../base/index.js";
import { ChannelClosedError, type SnapshotChannel } from "../peers/index.js";
import { decodeMarker } from "../replication/apply/index.js";
import type { LogTruncation } from "./log-truncation.js";
import { RateLimiter } from "./rate-limiter.js";
import { OutgoingSnapshot, type StoreRows } from "./outgoing-snapshot.js";

/** The bytes per second of all snapshots together. */
const bytesPerSecond = 64 * 1024 * 1024;
/** The delay after a first failure, in milliseconds; it doubles with each further one. */
const firstRetryMs = 250;
/** The maximum delay after a failure, in milliseconds. */
const longestRetryMs = 2_000;
/** The delay after a success, in milliseconds: the follower's own acknowledgement arrives earlier, unless it is lost. */
const acknowledgeMs = 1_000;
/**
 * The time after a snapshot in which the log is not truncated, in milliseconds: the follower needs the entries after it (as in
 * etcd).
 */
const catchUpMs = 30_000;

/** The options of `SnapshotSender`. */
export interface SnapshotSenderOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: { snapshot(): StoreRows };
}

/** Opens channels to members; `Peers` implements it. */
export interface SnapshotChannels {
  /** Opens a channel for a snapshot. @throws ChannelClosedError */
  openSnapshot(to: MemberId): Promise<SnapshotChannel>;
}

interface SnapshotTransmission {
  readonly peer: MemberId;
  readonly leaderTerm: Term;
  channel: SnapshotChannel | undefined;
  /** The reason of a cancellation; undefined: not canceled. */
  canceled: string | undefined;
  /** Reports the end before the delay has passed; undefined while the snapshot is being sent. */
  endNow: (() => void) | undefined;
}

/** Sends snapshots to followers that need compacted entries, one at a time to each. */
export class SnapshotSender {
  private readonly transmissions = new Map<MemberId, SnapshotTransmission>();
  private readonly failures = new Map<MemberId, number>();
  private readonly rateLimiter: RateLimiter;
  private readonly timers = new Set<() => void>();
  private isStopped = false;

  /** @param log not truncated while a snapshot is being sent, and for `catchUpMs` afterwards */
  constructor(
    private readonly options: SnapshotSenderOptions,
    private readonly node: Pick<RaftNode, "onSnapshotEnded">,
    private readonly channels: SnapshotChannels,
    private readonly log: Pick<LogTruncation, "hold" | "release">,
  ) {
    this.rateLimiter = new RateLimiter(options.clock, bytesPerSecond);
  }

  /** Sends a snapshot to a follower, as leader of `leaderTerm`, unless one is being sent. The end is reported to consensus. */
  sendSnapshot(peer: MemberId, leaderTerm: Term): void {
    if (this.isStopped || this.transmissions.has(peer)) return;
    const transmission: SnapshotTransmission = {
      peer,
      leaderTerm,
      channel: undefined,
      canceled: undefined,
      endNow: undefined,
    };
    this.transmissions.set(peer, transmission);
    void this.runTransmission(transmission);
  }

  /** Cancels the snapshots of a term that this member does not lead any more. */
  onStatusChange({ role, term }: Pick<CoreStatus, "role" | "term">): void {
    for (const transmission of this.transmissions.values())
      if (role !== "leader" || term !== transmission.leaderTerm) cancel(transmission, "no longer leader of that term");
  }

  /** Skips the delay after a snapshot: the peer has a new link, and an acknowledgement may be lost with the former one. */
  onReachable(peer: MemberId): void {
    this.transmissions.get(peer)?.endNow?.();
  }

  /** Cancels all snapshots. */
  stop(): void {
    this.isStopped = true;
    for (const transmission of this.transmissions.values()) cancel(transmission, "the member is stopping");
    for (const cancelTimer of this.timers) cancelTimer();
  }

  /** Sends one snapshot and schedules its end. Never rejects. */
  private async runTransmission(transmission: SnapshotTransmission): Promise<void> {
    const { peer } = transmission;
    this.log.hold();
    const done = await this.sendOnce(transmission).then(
      () => true,
      (error: unknown) => {
        if (!this.isStopped)
          this.options.logger.warn("failed to send database snapshot", { remotePeerId: formatId(peer), error });
        return false;
      },
    );
    if (this.isStopped) return;
    const failures = done ? 0 : (this.failures.get(peer) ?? 0) + 1;
    this.failures.set(peer, failures);
    this.schedule(done ? catchUpMs : 0, () => this.log.release());
    this.scheduleEnd(transmission, done ? acknowledgeMs : Math.min(firstRetryMs * 2 ** (failures - 1), longestRetryMs));
  }

  /** Reports the end after a delay, or when the peer has a new link. */
  private scheduleEnd(transmission: SnapshotTransmission, ms: number): void {
    const end = (): void => {
      cancelTimer();
      this.transmissions.delete(transmission.peer);
      this.node.onSnapshotEnded(transmission.peer);
    };
    const cancelTimer = this.schedule(ms, end);
    transmission.endNow = end;
  }

  private async sendOnce(transmission: SnapshotTransmission): Promise<void> {
    const { clock, logger, store } = this.options;
    const channel = await this.channels.openSnapshot(transmission.peer);
    transmission.channel = channel;
    if (transmission.canceled !== undefined) {
      channel.close(transmission.canceled);
      throw new ChannelClosedError(transmission.canceled);
    }
    const snapshot = store.snapshot();
    try {
      const position = decodeMarker(snapshot.marker);
      const about = {
        remotePeerId: formatId(transmission.peer),
        snapshotIndex: position.index,
        term: transmission.leaderTerm,
      };
      const startedAt = clock.now();
      logger.info("sending database snapshot", about);
      const outgoing = new OutgoingSnapshot({
        channel,
        snapshot,
        leaderTerm: transmission.leaderTerm,
        position,
        clock,
        rateLimiter: this.rateLimiter,
      });
      await outgoing.run();
      const { bytes } = outgoing;
      logger.info("sent database snapshot", { ...about, bytes, tookMs: Math.round(clock.now() - startedAt) });
    } finally {
      await snapshot.close();
    }
  }

  /** Calls back once after `ms`, unless stopped before. @returns a function that cancels the call */
  private schedule(ms: number, callback: () => void): () => void {
    const cancelTimer = this.options.clock.after(ms, () => {
      this.timers.delete(cancelTimer);
      callback();
    });
    this.timers.add(cancelTimer);
    return () => {
      this.timers.delete(cancelTimer);
      cancelTimer();
    };
  }
}

const cancel = (transmission: SnapshotTransmission, reason: string): void => {
  transmission.canceled = reason;
  transmission.channel?.close(reason);
};

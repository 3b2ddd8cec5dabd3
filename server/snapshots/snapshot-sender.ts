import type { Clock } from "../../platform/index.js";
import type { CoreStatus, LogPosition, MemberId, Term } from "../../raft/index.js";
import { formatId, type Logger } from "../base/index.js";
import { ChannelClosedError, type SnapshotChannel } from "../peers/index.js";
import { RateLimiter } from "./rate-limiter.js";
import { OutgoingSnapshot, type StoreRows } from "./outgoing-snapshot.js";

/** All snapshots together take no more of the network, and of this member's time. */
const bytesPerSecond = 64 * 1024 * 1024;
/** After a failure the member is left alone for so long, each time twice as long … */
const firstRetryMs = 250;
/** … up to this. */
const longestRetryMs = 2_000;
/** After a success its own acknowledgement tells consensus first; this is for when that got lost. */
const acknowledgeMs = 1_000;
/** The log is not cut for so long after a snapshot was installed: what it does not contain must still be there (as in etcd). */
const catchUpMs = 30_000;

export interface SnapshotSenderOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: { snapshot(): StoreRows };
  /** Reads from a store's marker what it contains of the log. */
  readonly positionOf: (marker: Uint8Array) => LogPosition;
  readonly open: (to: MemberId) => Promise<SnapshotChannel>;
  /** A snapshot that was needed was sent, or not: consensus finds out. */
  readonly onEnded: (peer: MemberId) => void;
  /** The log may be cut again. */
  readonly onReleased: () => void;
}

interface Sending {
  readonly peer: MemberId;
  readonly leaderTerm: Term;
  channel: SnapshotChannel | undefined;
  /** Why it must end. */
  canceled: string | undefined;
  /** It has ended, and this tells consensus before its time. */
  endNow: (() => void) | undefined;
}

/** Sends snapshots to members whose next entries are no longer in this leader's log: one at a time to each. */
export class SnapshotSender {
  private readonly sending = new Map<MemberId, Sending>();
  private readonly failures = new Map<MemberId, number>();
  private readonly rateLimiter: RateLimiter;
  private readonly timers = new Set<() => void>();
  private holds = 0;
  private stopped = false;

  constructor(private readonly options: SnapshotSenderOptions) {
    this.rateLimiter = new RateLimiter(options.clock, bytesPerSecond);
  }

  /** Whether a snapshot is on its way, or was installed a moment ago: what it does not contain must stay in the log. */
  get holdsLog(): boolean {
    return this.holds > 0;
  }

  /** Consensus, as leader of `leaderTerm`, has no entries for the member. `onEnded` follows, later. */
  sendSnapshot(peer: MemberId, leaderTerm: Term): void {
    if (this.stopped || this.sending.has(peer)) return;
    const sending: Sending = { peer, leaderTerm, channel: undefined, canceled: undefined, endNow: undefined };
    this.sending.set(peer, sending);
    void this.runSending(sending);
  }

  /** A snapshot of a leader that was deposed is of no use to anybody. */
  onStatusChange({ role, term }: Pick<CoreStatus, "role" | "term">): void {
    for (const sending of this.sending.values())
      if (role !== "leader" || term !== sending.leaderTerm)
        cancel(sending, "this member does not lead that term any more");
  }

  /** There is a new connection to the member: what was waited for may have been lost with the former one. */
  onReachable(peer: MemberId): void {
    this.sending.get(peer)?.endNow?.();
  }

  stop(): void {
    this.stopped = true;
    for (const sending of this.sending.values()) cancel(sending, "the member is stopping");
    for (const cancelTimer of this.timers) cancelTimer();
  }

  /** Owns what becomes of it: never rejects. */
  private async runSending(sending: Sending): Promise<void> {
    const { peer } = sending;
    this.holds++;
    const done = await this.sendOnce(sending).then(
      () => true,
      (error: unknown) => {
        if (!this.stopped)
          this.options.logger.warn("failed to send database snapshot", { remotePeerId: formatId(peer), error });
        return false;
      },
    );
    if (this.stopped) return;
    const failures = done ? 0 : (this.failures.get(peer) ?? 0) + 1;
    this.failures.set(peer, failures);
    this.schedule(done ? catchUpMs : 0, () => this.releaseLog());
    this.scheduleEnd(sending, done ? acknowledgeMs : Math.min(firstRetryMs * 2 ** (failures - 1), longestRetryMs));
  }

  /** Consensus is told after a while, or when the member has just come back. */
  private scheduleEnd(sending: Sending, ms: number): void {
    const end = (): void => {
      cancelTimer();
      this.sending.delete(sending.peer);
      this.options.onEnded(sending.peer);
    };
    const cancelTimer = this.schedule(ms, end);
    sending.endNow = end;
  }

  private async sendOnce(sending: Sending): Promise<void> {
    const { clock, logger, store, positionOf, open } = this.options;
    const channel = await open(sending.peer);
    sending.channel = channel;
    if (sending.canceled !== undefined) {
      channel.close(sending.canceled);
      throw new ChannelClosedError(sending.canceled);
    }
    const snapshot = store.snapshot();
    try {
      const position = positionOf(snapshot.marker);
      const about = { remotePeerId: formatId(sending.peer), snapshotIndex: position.index, term: sending.leaderTerm };
      const startedAt = clock.now();
      logger.info("sending database snapshot", about);
      const outgoing = new OutgoingSnapshot({
        channel,
        snapshot,
        leaderTerm: sending.leaderTerm,
        position,
        clock,
        rateLimiter: this.rateLimiter,
      });
      await outgoing.run();
      const { bytes } = outgoing;
      logger.info("sent database snapshot", { ...about, bytes, ms: Math.round(clock.now() - startedAt) });
    } finally {
      await snapshot.close();
    }
  }

  private releaseLog(): void {
    this.holds--;
    if (this.holds === 0) this.options.onReleased();
  }

  /** Calls back once, unless this is stopped, or what it returns is called, before. */
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

const cancel = (sending: Sending, reason: string): void => {
  sending.canceled = reason;
  sending.channel?.close(reason);
};

import type { Clock } from "../../platform/index.js";
import type {
  CoreStatus,
  Entry,
  LogPosition,
  MemberId,
  RaftNode,
  RecoveredLog,
  SnapshotTransfers,
} from "../../raft/index.js";
import type { KvStore } from "../../store/index.js";
import type { AppliedState, LogCompactor } from "../replication/apply/index.js";
import type { RaftConfig } from "../config/index.js";
import type { Logger } from "../base/index.js";
import { LogTruncation } from "./log-truncation.js";
import type { SnapshotChannel } from "../peers/index.js";
import type { NewStores } from "./new-store.js";
import { SnapshotReceiver } from "./snapshot-receiver.js";
import { SnapshotSender, type SnapshotChannels } from "./snapshot-sender.js";

/** The options of `Snapshots`. */
export interface SnapshotsOptions {
  readonly config: Pick<RaftConfig, "snapshotCount" | "snapshotCatchUpEntries">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: Pick<KvStore, "snapshot" | "flush">;
  readonly newStores: Pick<NewStores, "create">;
  readonly recovered: Pick<RecoveredLog, "base" | "entries">;
  readonly applied: LogPosition;
}

/** Log compaction: truncation of the log, and snapshots for followers that need truncated entries. Raft paper §7. */
export class Snapshots implements LogCompactor, SnapshotTransfers {
  private readonly truncation: LogTruncation;
  private readonly sender: SnapshotSender;
  private readonly receiver: SnapshotReceiver;

  /** @param node decides which follower needs a snapshot and whether a received one is installed */
  constructor(
    options: SnapshotsOptions,
    private readonly node: Pick<RaftNode, "status" | "onSnapshotReceived" | "onSnapshotEnded" | "compact">,
    channels: SnapshotChannels,
  ) {
    const { config, clock, logger, store, newStores, recovered, applied } = options;
    this.truncation = new LogTruncation(
      {
        snapshotCount: config.snapshotCount,
        catchUpEntries: config.snapshotCatchUpEntries,
        base: recovered.base.index,
        applied: recovered.entries.filter(({ index }) => index <= applied.index),
        logger,
      },
      store,
      node,
    );
    this.sender = new SnapshotSender({ clock, logger, store }, node, channels, this.truncation);
    this.receiver = new SnapshotReceiver({ clock, logger, newStores }, node);
  }

  /** Sends a snapshot to a follower that needs compacted entries. */
  sendSnapshot(peer: MemberId): void {
    this.sender.sendSnapshot(peer, this.node.status().term);
  }

  /** Handles a new link to a peer. */
  onReachable(peer: MemberId): void {
    this.sender.onReachable(peer);
  }

  /** Receives a snapshot over a channel that a peer has opened. */
  accept(from: MemberId, channel: SnapshotChannel): void {
    this.receiver.accept(from, channel);
  }

  /** Installs the received snapshot, which consensus has accepted. @returns the replicated state of the snapshot */
  async install(position: LogPosition): Promise<AppliedState> {
    const state = await this.receiver.install(position);
    this.truncation.onInstalled(state.index);
    return state;
  }

  /** Discards the received snapshot, which consensus has refused. */
  discardReceived(position: LogPosition): void {
    this.receiver.discard(position);
  }

  /** Counts applied entries whose round has ended. */
  onEntriesApplied(entries: readonly Entry[]): void {
    this.truncation.onEntriesApplied(entries);
  }

  /** Handles a change of leader or term. */
  onStatusChange(status: CoreStatus): void {
    this.sender.onStatusChange(status);
    this.receiver.onStatusChange(status);
  }

  /** Ends all snapshots. */
  stop(): void {
    this.sender.stop();
    this.receiver.stop();
  }
}

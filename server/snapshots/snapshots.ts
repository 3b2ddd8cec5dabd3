import type { Clock } from "../../platform/index.js";
import type { CoreStatus, Entry, LogPosition, MemberId, RaftNode, RecoveredLog } from "../../raft/index.js";
import type { KvStore } from "../../store/index.js";
import { type AppliedState, decodeMarker } from "../replication/apply/index.js";
import type { MemberConfig } from "../config/index.js";
import type { Logger } from "../base/index.js";
import { LogTruncation } from "./log-truncation.js";
import type { SnapshotChannel } from "../peers/index.js";
import type { NewStores } from "./new-store.js";
import { SnapshotReceiver } from "./snapshot-receiver.js";
import { SnapshotSender } from "./snapshot-sender.js";

export interface SnapshotsOptions {
  readonly config: Pick<MemberConfig, "snapshotCount" | "snapshotCatchUpEntries">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: Pick<KvStore, "snapshot" | "flush">;
  readonly newStores: Pick<NewStores, "create">;
  readonly recovered: Pick<RecoveredLog, "base" | "entries">;
  readonly applied: LogPosition;
  /** Consensus, which decides who needs a snapshot and whether one is taken. */
  readonly node: () => Pick<RaftNode, "status" | "onSnapshotReceived" | "onSnapshotEnded" | "compact">;
  readonly open: (to: MemberId) => Promise<SnapshotChannel>;
}

/** What keeps the log short, and who is sent a snapshot because it is. Raft paper §7. */
export class Snapshots {
  private readonly sender: SnapshotSender;
  private readonly receiver: SnapshotReceiver;
  private readonly truncation: LogTruncation;

  constructor(private readonly options: SnapshotsOptions) {
    const { config, clock, logger, store, newStores, recovered, applied, node, open } = options;
    this.sender = new SnapshotSender({
      clock,
      logger,
      store,
      positionOf: decodeMarker,
      open,
      onEnded: (peer) => node().onSnapshotEnded(peer),
      onReleased: () => this.truncation.onReleased(),
    });
    this.receiver = new SnapshotReceiver({
      clock,
      logger,
      status: () => node().status(),
      newStore: () => newStores.create(),
      offer: (announced) => node().onSnapshotReceived(announced),
    });
    this.truncation = new LogTruncation({
      snapshotCount: config.snapshotCount,
      catchUpEntries: config.snapshotCatchUpEntries,
      base: recovered.base.index,
      applied: recovered.entries.filter(({ index }) => index <= applied.index),
      logger,
      flush: () => store.flush(),
      compact: (through) => node().compact(through),
      isHeld: () => this.sender.holdsLog,
    });
  }

  /** Consensus has no entries for the member: it needs a snapshot. */
  sendSnapshot(peer: MemberId): void {
    this.sender.sendSnapshot(peer, this.options.node().status().term);
  }

  /** There is a new connection to the member. */
  onReachable(peer: MemberId): void {
    this.sender.onReachable(peer);
  }

  /** A member sends one. */
  accept(from: MemberId, channel: SnapshotChannel): void {
    this.receiver.accept(from, channel);
  }

  /** Consensus wants the one that was received: it takes the place of the store. */
  async install(position: LogPosition): Promise<AppliedState> {
    const state = await this.receiver.install(position);
    this.truncation.onInstalled(state.index);
    return state;
  }

  /** Consensus does not want it. */
  onRefused(position: LogPosition): void {
    this.receiver.onRefused(position);
  }

  /** These were applied, and their round has ended. */
  onEntriesApplied(entries: readonly Entry[]): void {
    this.truncation.onEntriesApplied(entries);
  }

  onStatusChange(status: CoreStatus): void {
    this.sender.onStatusChange(status);
    this.receiver.onStatusChange(status);
  }

  stop(): void {
    this.sender.stop();
    this.receiver.stop();
  }
}

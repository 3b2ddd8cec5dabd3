import type { Entry, LogIndex, RaftNode } from "../../raft/index.js";
import type { KvStore } from "../../store/index.js";
import type { Logger } from "../base/index.js";

/** The maximum number of bytes of entries kept for slow followers: the log is also in memory. */
const tailBytes = 64 * 1024 * 1024;
/** The maximum number of entries kept for slow followers: an empty entry takes memory, too. */
const maxTailEntries = 1_000_000;
/** The number of bytes of applied entries at which a truncation is due before `--snapshot-count` entries. */
const dueBytes = 64 * 1024 * 1024;
/** The maximum number of bytes of log kept while a snapshot is being sent; beyond it the receiver will need another snapshot. */
const maxHeldBytes = 512 * 1024 * 1024;

/** The options of `LogTruncation`. */
export interface LogTruncationOptions {
  /** The number of applied entries between two truncations (etcd: `--snapshot-count`). */
  readonly snapshotCount: number;
  /** The number of entries kept for slow followers, which then need no snapshot (etcd: `--snapshot-catchup-entries`). */
  readonly catchUpEntries: number;
  /** The index before the first entry of the log. */
  readonly base: LogIndex;
  /** The recovered entries that are applied already; they are not reported again. */
  readonly applied: readonly Entry[];
  readonly logger: Logger;
}

/**
 * Truncates the log: every `snapshotCount` applied entries it makes the store durable and compacts the log up to there, except
 * for the entries kept for slow followers. The store itself is the snapshot; nothing is copied. Raft thesis §5.1.3.
 */
export class LogTruncation {
  /**
   * The total bytes of all entries up to an index, for the entries that may be kept: a ring. An array, as a Float64Array has
   * doubles for V8: the first double in a field discards the compiled code of all callers.
   */
  private readonly bytesUpTo: number[];
  private readonly snapshotCount: number;
  private readonly catchUpEntries: number;
  private readonly logger: Logger;
  private totalBytes = 0;
  private applied: LogIndex;
  private base: LogIndex;
  private baseBytes = 0;
  /** The applied index at the last truncation. */
  private lastIndex: LogIndex;
  private lastBytes = 0;
  private isTruncating = false;
  /** The number of snapshots whose receivers need the entries after them. */
  private holds = 0;

  constructor(
    options: LogTruncationOptions,
    private readonly store: Pick<KvStore, "flush">,
    private readonly node: Pick<RaftNode, "compact">,
  ) {
    this.snapshotCount = options.snapshotCount;
    this.logger = options.logger;
    this.catchUpEntries = Math.min(options.catchUpEntries, maxTailEntries);
    this.bytesUpTo = new Array<number>(this.catchUpEntries + 1).fill(0);
    this.applied = this.base = options.base;
    for (const entry of options.applied) this.countEntry(entry);
    // Counted from the base of the log: a member that restarts often truncates it, too.
    this.lastIndex = options.base;
  }

  /** Counts applied entries whose round has ended, and truncates the log if due. */
  onEntriesApplied(entries: readonly Entry[]): void {
    for (const entry of entries) this.countEntry(entry);
    this.truncateIfDue();
  }

  /** Restarts the counts behind an installed snapshot. */
  onInstalled(index: LogIndex): void {
    this.applied = this.base = this.lastIndex = index;
    this.lastBytes = this.baseBytes = this.totalBytes;
  }

  /** Prevents truncation, up to a bound, until `release`: the receiver of a snapshot needs the entries after it. */
  hold(): void {
    this.holds++;
  }

  /** Ends a hold; after the last one the log is truncated if due. */
  release(): void {
    this.holds--;
    if (this.holds === 0) this.truncateIfDue();
  }

  private countEntry(entry: Entry): void {
    const { index } = entry;
    if (entry.kind === "command") this.totalBytes += entry.data.length;
    this.bytesUpTo[index % this.bytesUpTo.length] = this.totalBytes;
    this.applied = index;
  }

  private truncateIfDue(): void {
    const { snapshotCount, logger } = this;
    if (this.isTruncating) return;
    if (this.applied - this.lastIndex < snapshotCount && this.totalBytes - this.lastBytes < dueBytes) return;
    if (this.holds > 0 && this.totalBytes - this.baseBytes < maxHeldBytes) return;
    logger.info("triggering snapshot", { appliedIndex: this.applied, snapshotIndex: this.lastIndex, snapshotCount });
    this.isTruncating = true;
    this.truncate().then(
      () => {
        this.isTruncating = false;
        this.truncateIfDue();
      },
      () => void (this.isTruncating = false), // the store reports its failure itself: the log is not truncated
    );
  }

  private async truncate(): Promise<void> {
    const through = this.tailBegin();
    this.lastIndex = this.applied;
    this.lastBytes = this.totalBytes;
    const throughBytes = this.bytesThrough(through);
    await this.store.flush();
    if (through <= this.base) return; // only kept entries, or a snapshot was installed meanwhile
    this.node.compact(through);
    this.base = through;
    this.baseBytes = throughBytes;
    this.logger.info("compacted Raft logs", { compactIndex: through });
  }

  /** Returns the last index that is not kept. */
  private tailBegin(): LogIndex {
    let index = Math.max(this.base, this.applied - this.catchUpEntries);
    while (index < this.applied && this.totalBytes - this.bytesThrough(index) > tailBytes) index++;
    return index as LogIndex;
  }

  private bytesThrough(index: number): number {
    return index === this.base ? this.baseBytes : (this.bytesUpTo[index % this.bytesUpTo.length] ?? 0);
  }
}

import type { Entry, LogIndex } from "../../raft/index.js";
import type { Logger } from "../base/index.js";

/** What is kept behind the store takes no more than this, however few entries that are: the log is in memory too. */
const tailBytes = 64 * 1024 * 1024;
/** Nor more entries than this: one without bytes takes memory, too. */
const maxTailEntries = 1_000_000;
/** So much of the log makes a cut due before `--snapshot-count` entries do. */
const dueBytes = 64 * 1024 * 1024;
/** While a snapshot is on its way the log is kept, up to this; beyond it, whoever receives it will need another one. */
const maxHeldBytes = 512 * 1024 * 1024;

export interface LogTruncationOptions {
  /** Applied entries from one cut to the next (etcd: `--snapshot-count`). */
  readonly snapshotCount: number;
  /** Entries kept, so that a member which was away for a moment needs no snapshot (etcd: `--snapshot-catchup-entries`). */
  readonly catchUpEntries: number;
  /** The log begins after this entry. */
  readonly base: LogIndex;
  /** What of the log was recovered and is applied already: it is not told again. */
  readonly applied: readonly Entry[];
  readonly logger: Logger;
  /** Makes durable in the store what has been applied. Rejects if that is not possible any more. */
  readonly flush: () => Promise<void>;
  /** Forgets the log up to an entry, in memory and on disk. */
  readonly compact: (through: LogIndex) => void;
  /** A snapshot is on its way: what it does not contain will be asked for. */
  readonly isHeld: () => boolean;
}

/**
 * Keeps the log short: every so many applied entries it has the store made durable, and cuts what the store contains off
 * the log, but for a tail. The store itself is the snapshot; nothing is copied. Raft thesis §5.1.3.
 */
export class LogTruncation {
  /** Bytes of all entries up to an index, for those that may be kept: a ring. */
  private readonly bytesUpTo: Float64Array;
  private readonly catchUpEntries: number;
  private totalBytes = 0;
  private applied: LogIndex;
  private base: LogIndex;
  private baseBytes = 0;
  /** Where the last cut was decided. */
  private lastIndex: LogIndex;
  private lastBytes = 0;
  private isTruncating = false;

  constructor(private readonly options: LogTruncationOptions) {
    this.catchUpEntries = Math.min(options.catchUpEntries, maxTailEntries);
    this.bytesUpTo = new Float64Array(this.catchUpEntries + 1);
    this.applied = this.base = options.base;
    for (const entry of options.applied) this.countEntry(entry);
    // From the beginning of the log: a member that is often restarted cuts it too.
    this.lastIndex = options.base;
  }

  /** The next entries were applied, and their round has ended. */
  onEntriesApplied(entries: readonly Entry[]): void {
    for (const entry of entries) this.countEntry(entry);
    this.truncateIfDue();
  }

  /** A snapshot has replaced the store; the log begins anew behind it. */
  onInstalled(index: LogIndex): void {
    this.applied = this.base = this.lastIndex = index;
    this.lastBytes = this.baseBytes = this.totalBytes;
  }

  /** No snapshot is on its way any more. */
  onReleased(): void {
    this.truncateIfDue();
  }

  private countEntry({ index, data }: Entry): void {
    this.totalBytes += data.length;
    this.bytesUpTo[index % this.bytesUpTo.length] = this.totalBytes;
    this.applied = index;
  }

  private truncateIfDue(): void {
    const { snapshotCount, isHeld, logger } = this.options;
    if (this.isTruncating) return;
    if (this.applied - this.lastIndex < snapshotCount && this.totalBytes - this.lastBytes < dueBytes) return;
    if (isHeld() && this.totalBytes - this.baseBytes < maxHeldBytes) return;
    logger.info("triggering snapshot", { appliedIndex: this.applied, snapshotIndex: this.lastIndex, snapshotCount });
    this.isTruncating = true;
    this.truncate().then(
      () => {
        this.isTruncating = false;
        this.truncateIfDue();
      },
      () => void (this.isTruncating = false), // the store has already said that it cannot be written: the log stays
    );
  }

  private async truncate(): Promise<void> {
    const through = this.tailBegin();
    this.lastIndex = this.applied;
    this.lastBytes = this.totalBytes;
    const throughBytes = this.bytesThrough(through);
    await this.options.flush();
    if (through <= this.base) return; // there is no more than the tail; or a snapshot was installed meanwhile
    this.options.compact(through);
    this.base = through;
    this.baseBytes = throughBytes;
    this.options.logger.info("compacted Raft logs", { compactIndex: through });
  }

  /** The last entry that is not kept. */
  private tailBegin(): LogIndex {
    let index = Math.max(this.base, this.applied - this.catchUpEntries);
    while (index < this.applied && this.totalBytes - this.bytesThrough(index) > tailBytes) index++;
    return index as LogIndex;
  }

  private bytesThrough(index: number): number {
    return index === this.base ? this.baseBytes : (this.bytesUpTo[index % this.bytesUpTo.length] ?? 0);
  }
}

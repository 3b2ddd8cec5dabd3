import { exponentialBounds, Histogram } from "../../platform/index.js";

/** Counts the work of a store since it was opened. Installing a snapshot does not reset the counts. */
export class StoreStats {
  /** The operations by kind, including those in the executed branch of a transaction. */
  puts = 0;
  deletes = 0;
  ranges = 0;
  /** Transactions of more than one operation. */
  txns = 0;
  /** Bytes of the keys and values that were put. */
  putBytes = 0;
  /** The open watches, and the live ones among them. */
  watchers = 0;
  liveWatchers = 0;
  /** Events sent to watchers: each counts once per watcher. */
  events = 0;
  /** Changes that compactions have removed from disk. */
  compactedChanges = 0;
  /** The time at which the last compaction was complete, by the store's clock; undefined: none yet. */
  compactedAt: number | undefined;
  /** The time of each compaction, from the start of the removal to its end. */
  readonly compactionMs = new Histogram(exponentialBounds(100, 2, 14));
  /** The time that one batch of removals takes, its write to disk included. */
  readonly compactionBatchMs = new Histogram(exponentialBounds(1, 2, 13));
  /** The time of each slice in which changes are removed from the index. */
  readonly indexCompactionMs = new Histogram(exponentialBounds(0.5, 2, 14));
  /** The time of a synced write of a batch. */
  readonly commitSeconds = new Histogram(exponentialBounds(0.001, 2, 14));
  readonly hashKvSeconds = new Histogram(exponentialBounds(0.01, 2, 15));
  readonly hashSeconds = new Histogram(exponentialBounds(0.01, 2, 15));
  /** Tells whether a defragmentation runs. */
  isDefragmenting = false;
  /** The time of each defragmentation. */
  readonly defragmentSeconds = new Histogram(exponentialBounds(0.1, 2, 13));
}

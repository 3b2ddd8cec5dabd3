/** The store's bounds, and what happens beyond each. */
export interface StoreLimits {
  /** The size at which a batch is written to disk. */
  readonly flushBytes: number;
  /** The age of its first round at which a smaller batch is written to disk, in milliseconds. */
  readonly flushAfterMs: number;
  /** The maximum number of bytes of a block: of consecutive changes in one row on disk. A larger change is a row of its own. */
  readonly blockBytes: number;
  /** The bytes of applied changes that are not on disk yet; beyond them the store `isFull`, and the applier waits. */
  readonly unflushedBytes: number;
  /** The bytes of live values in memory. Beyond them the values not used recently are evicted, and read from disk again. */
  readonly cacheBytes: number;
  /** The bytes of keys and values in one response, for a transaction with all its parts. Beyond them: TooLargeError. */
  readonly responseBytes: number;
  /**
   * The maximum number of index entries that all reads, the compaction and the catch-up of watchers visit together in one turn of the event loop; also
   * the changes of one entry that a compaction removes from the index. About 1 ms: a put takes several turns on several members, and may
   * wait for a slice in each.
   */
  readonly entriesPerSlice: number;
  /** The maximum number of blocks that the same work reads from disk in one turn; about 2 ms. */
  readonly diskReadsPerSlice: number;
  /**
   * The maximum number of keys that an applied write visits or changes, and of changes that are put into a batch, in one
   * turn; about 2 ms.
   */
  readonly changesPerSlice: number;
  /**
   * The maximum number of changes of one revision that live watchers get when it is applied. A revision with more comes from
   * history, in slices.
   */
  readonly changesSentAtOnce: number;
  /** The number of changes that a compaction gathers before it removes them from disk: the more, the fewer rows are written. */
  readonly removalsPerPass: number;
  /** The maximum number of changes that a compaction removes in one batch; about 2 ms. */
  readonly removalsPerBatch: number;
  /** The pause of a compaction after such a batch, as in etcd, in milliseconds; 0: the compaction continues in the next turn. */
  readonly compactionRestMs: number;
  /** The maximum number of revisions in one batch from history for a watcher, as in etcd. */
  readonly revisionsPerWatchBatch: number;
  /** The maximum number of bytes of KeyValues in such a batch; a batch has at least one whole revision. */
  readonly bytesPerWatchBatch: number;
  /** The watchers behind whose share of a slice of history is prepared in one turn. */
  readonly watchersPerSlice: number;
  /** The maximum number of batches that watchers receive, of one round of writes or of history, in one turn. */
  readonly watchBatchesPerSlice: number;
}

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

/** The default limits of a store. */
export const defaultLimits: StoreLimits = {
  flushBytes: mebibyte,
  flushAfterMs: 100,
  blockBytes: 16 * kibibyte,
  unflushedBytes: 16 * mebibyte,
  cacheBytes: 64 * mebibyte,
  responseBytes: 512 * mebibyte,
  entriesPerSlice: 1_000,
  diskReadsPerSlice: 120,
  changesPerSlice: 500,
  changesSentAtOnce: 500,
  removalsPerPass: 100_000,
  removalsPerBatch: 500,
  compactionRestMs: 10,
  revisionsPerWatchBatch: 1_000,
  bytesPerWatchBatch: mebibyte,
  watchersPerSlice: 1_000,
  watchBatchesPerSlice: 500,
};

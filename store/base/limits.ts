/** The store's bounds, and what happens there. */
export interface StoreLimits {
  /** A batch goes to disk when it holds this much … */
  readonly flushBytes: number;
  /** … or when its first round is this old. */
  readonly flushAfterMs: number;
  /** Changes that follow each other are one row on disk, up to so many bytes; a larger change is a row of its own. */
  readonly blockBytes: number;
  /** Unflushed changes beyond this: the store is `full`, and whoever applies waits. */
  readonly unflushedBytes: number;
  /** Live values in memory. Beyond it those not used of late are read from disk when asked for. */
  readonly cacheBytes: number;
  /** Keys and values that one answer may gather, a transaction's with all its parts. Beyond it: TooLargeError. */
  readonly responseBytes: number;
  /**
   * Index entries that all reads, a compaction and the watchers' past visit together before others run; or changes of one of
   * them that a compaction forgets. About 1 ms: a put takes several turns on several members, and may wait for a slice in each.
   */
  readonly entriesPerSlice: number;
  /** Blocks that these take from disk before others run; about 2 ms. */
  readonly diskReadsPerSlice: number;
  /** Keys that an applied write visits or changes, and changes that are put into a batch, before others run; about 2 ms. */
  readonly changesPerSlice: number;
  /** Changes of one revision that live watchers are told of at once. Beyond it they are told from history, in slices. */
  readonly changesToldAtOnce: number;
  /** Changes that a compaction gathers before it removes them: the more, the fewer rows are written. */
  readonly removalsPerPass: number;
  /** Changes that it removes in one batch; about 2 ms. */
  readonly removalsPerBatch: number;
  /** The rest of a compaction after such a batch, as etcd's, in milliseconds; 0: it only lets others run. */
  readonly compactionRestMs: number;
  /** Revisions that one batch from history tells a watcher of, as in etcd … */
  readonly revisionsPerWatchBatch: number;
  /** … or so many bytes of KeyValues, if that is less; but always a whole revision. */
  readonly bytesPerWatchBatch: number;
  /** Watchers that are behind whose turn is prepared before others run. */
  readonly watchersPerSlice: number;
  /** Batches that watchers are given, of one round of writes or of history, before others run. */
  readonly watchBatchesPerSlice: number;
}

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

/** The limits of a store, unless it is given others. */
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
  changesToldAtOnce: 500,
  removalsPerPass: 100_000,
  removalsPerBatch: 500,
  compactionRestMs: 10,
  revisionsPerWatchBatch: 1_000,
  bytesPerWatchBatch: mebibyte,
  watchersPerSlice: 1_000,
  watchBatchesPerSlice: 500,
};

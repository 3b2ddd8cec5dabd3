/** The store's bounds, and what happens there. */
export interface StoreLimits {
  /** A batch goes to disk when it holds this much … */
  readonly flushBytes: number;
  /** … or when its first round is this old. */
  readonly flushAfterMs: number;
  /** Unflushed changes beyond this: the store is `full`, and whoever applies waits. */
  readonly unflushedBytes: number;
  /** Live values in memory. Beyond it those not used of late are read from disk when asked for. */
  readonly cacheBytes: number;
  /** Keys and values that one answer may gather, a transaction's with all its parts. Beyond it: TooLargeError. */
  readonly responseBytes: number;
  /** Index entries that a read or a compaction visits, or changes of one of them that it forgets, before it lets others run. */
  readonly entriesPerSlice: number;
  /** Rows that a read takes from disk before it lets others run; about 2 ms. */
  readonly diskReadsPerSlice: number;
  /** Rows that a compaction removes in one batch. */
  readonly removalsPerBatch: number;
  /** Revisions that one batch from history tells a watcher of, as in etcd … */
  readonly revisionsPerWatchBatch: number;
  /** … or so many bytes of KeyValues, if that is less; but always a whole revision. */
  readonly bytesPerWatchBatch: number;
  /** Watchers that are behind whose turn is prepared before others run. */
  readonly watchersPerSlice: number;
  /** Batches that watchers are given, of one round of writes or of history, before others run. */
  readonly watchBatchesPerSlice: number;
}

const mebibyte = 1024 * 1024;

export const defaultLimits: StoreLimits = {
  flushBytes: mebibyte,
  flushAfterMs: 100,
  unflushedBytes: 16 * mebibyte,
  cacheBytes: 64 * mebibyte,
  responseBytes: 512 * mebibyte,
  entriesPerSlice: 10_000,
  diskReadsPerSlice: 250,
  removalsPerBatch: 1_000,
  revisionsPerWatchBatch: 1_000,
  bytesPerWatchBatch: mebibyte,
  watchersPerSlice: 1_000,
  watchBatchesPerSlice: 100,
};

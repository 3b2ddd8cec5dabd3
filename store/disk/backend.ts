/** A row: key and value. */
export type Row = readonly [key: Uint8Array, value: Uint8Array];

/** Returns the bytes of a row. */
export const bytesOf = ([key, value]: Row): number => key.length + value.length;

/** Iterates over rows in key order, as they were when the iteration began. */
export interface RowIterator {
  /**
   * Returns at most `count` rows; none at the end.
   *
   * @throws DamagedError
   */
  next(count: number): Promise<readonly Row[]>;
  close(): Promise<void>;
}

/** Changes that become visible and durable together, or not at all. */
export interface Batch {
  put(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): void;
  /** Writes the batch; resolves once it is on disk. No further change may be added. */
  write(): Promise<void>;
}

/** The rows of a backend, for reading. */
export interface Rows {
  /** The name in messages: the directory, or "memory". */
  readonly name: string;
  /** @throws DamagedError */
  get(key: Uint8Array): Uint8Array | undefined;
  /** Iterates over the rows in `[from, to)`. */
  iterate(from: Uint8Array, to: Uint8Array): RowIterator;
}

/** All rows at one instant: each batch is in it as a whole or not at all. */
export interface View extends Rows {
  /** Releases the view, whose iterators must be closed. */
  close(): Promise<void>;
}

/** Sorted durable rows: the interface of the store to a database. */
export interface Backend extends Rows {
  /** Returns a view of the present rows. */
  view(): View;
  batch(): Batch;
  /**
   * Opens the rows again after a batch has failed, so that batches can be written again. The failed batch may be lost, earlier ones are
   * not; the failed one may be written again. Views stay valid. Absent: not possible, or not necessary.
   *
   * @throws Error if the rows cannot be opened; the call may be repeated
   */
  reopen?(): Promise<void>;
  size(): Promise<BackendSize>;
  /** Rewrites the rows in `[from, to)` without the deleted ones, while reads and writes continue. Absent: deleted rows take no space. */
  compact?(from: Uint8Array, to: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** The size of the rows of a backend. */
export interface BackendSize {
  /** The bytes on disk, or in memory. */
  readonly allocatedBytes: number;
  /** The part that holds rows, including superseded ones: LevelDB does not know their number before it compacts its tables. */
  readonly inUseBytes: number;
}

/** Returns a backend of the same rows whose `close` is the given one. It cannot `reopen` and `compact` them. */
export const withClose = (backend: Backend, close: () => Promise<void>): Backend => ({
  name: backend.name,
  get: (key) => backend.get(key),
  iterate: (from, to) => backend.iterate(from, to),
  view: () => backend.view(),
  batch: () => backend.batch(),
  size: () => backend.size(),
  close,
});

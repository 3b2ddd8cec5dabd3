/** A row: key and value. */
export type Row = readonly [key: Uint8Array, value: Uint8Array];

export const bytesOf = ([key, value]: Row): number => key.length + value.length;

/** Rows in key order, as they were when the iteration began. */
export interface RowIterator {
  /**
   * Returns at most `count` rows; none at the end.
   *
   * @throws DamagedError
   */
  next(count: number): Promise<readonly Row[]>;
  close(): Promise<void>;
}

/** Changes that will become visible and durable together, or not at all. */
export interface Batch {
  put(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): void;
  /** Resolves once it is on disk. Nothing may be added any more. */
  write(): Promise<void>;
}

/** The rows of a backend, for reading. */
export interface Rows {
  /** Name in messages: the directory, or "memory". */
  readonly name: string;
  /** @throws DamagedError */
  get(key: Uint8Array): Uint8Array | undefined;
  /** The rows in `[from, to)`. */
  iterate(from: Uint8Array, to: Uint8Array): RowIterator;
}

/** All rows as they were at one instant: of each batch everything or nothing. */
export interface View extends Rows {
  /** Releases the view. Its iterators must be closed. */
  close(): Promise<void>;
}

/** Sorted durable rows: the interface of the store to a database. */
export interface Backend extends Rows {
  /** The rows as they are now. */
  view(): View;
  batch(): Batch;
  /**
   * Makes it take batches again after one has failed: that one, and none before it, may be lost, and may be written again. Views
   * stay as they are. Absent: it cannot, or need not.
   *
   * @throws what keeps it from that; it may be tried again
   */
  reopen?(): Promise<void>;
  size(): Promise<BackendSize>;
  /** Rewrites the rows in `[from, to)` without what is gone, while reads and writes go on. Absent: nothing that is gone is kept. */
  compact?(from: Uint8Array, to: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export interface BackendSize {
  /** Size on disk, or in memory. */
  readonly allocatedBytes: number;
  /** The part that holds rows. LevelDB does not tell how many of these are superseded until it compacts its tables. */
  readonly inUseBytes: number;
}

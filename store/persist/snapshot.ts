import { allRows, type Backend, bytesOf, type Row, type RowIterator, stateRow, type View } from "../disk/index.js";
import { ClosedError } from "../base/index.js";

/** The rows per read; the backend bounds their bytes. */
const rowsPerRead = 250;

/**
 * All rows of a store as they were on disk at the end of a round. Later rounds are not in it; they are written meanwhile. The caller
 * must close it. The snapshot ends also when the store is closed or installs a snapshot.
 */
export class StoreSnapshot {
  private readonly rows: RowIterator;
  private ahead: readonly Row[] = [];
  /** The index in `ahead` of the next row to return. */
  private at = 0;
  private closing: Promise<void> | undefined = undefined;

  /** Use `KvStore.snapshot`. */
  constructor(
    private readonly view: View,
    /** The marker of the round. */
    readonly marker: Uint8Array,
    private readonly onClosed: (snapshot: StoreSnapshot) => void,
  ) {
    this.rows = view.iterate(allRows.from, allRows.to);
  }

  /**
   * Returns the next rows, up to `maxBytes`, which the last row may exceed; none at the end. One call at a time.
   *
   * @throws DamagedError if the backend cannot read a row; ClosedError
   */
  async next(maxBytes: number): Promise<readonly Row[]> {
    if (this.closing !== undefined) throw new ClosedError();
    const rows: Row[] = [];
    let bytes = 0;
    do {
      const row = this.ahead[this.at] ?? (await this.readAhead());
      if (row === undefined) break;
      this.at += 1;
      rows.push(row);
      bytes += bytesOf(row);
    } while (bytes < maxBytes);
    return rows;
  }

  /** Closes the snapshot. May be called twice. */
  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  private async shutDown(): Promise<void> {
    try {
      await this.rows.close().finally(() => this.view.close());
    } finally {
      this.onClosed(this);
    }
  }

  private async readAhead(): Promise<Row | undefined> {
    try {
      this.at = 0;
      this.ahead = [];
      this.ahead = await this.rows.next(rowsPerRead);
    } catch (error) {
      throw this.closing === undefined ? error : new ClosedError({ cause: error });
    }
    return this.ahead[0];
  }
}

/** Opens a snapshot of the present rows. @throws DamagedError; Error if no round was ever written: the store has no marker */
export function snapshotOf(backend: Backend, onClosed: (snapshot: StoreSnapshot) => void): StoreSnapshot {
  const view = backend.view();
  try {
    const state = stateRow.get(view); // from the view: a batch may become visible at any moment
    if (state === undefined) throw new Error(`Cannot take a snapshot of ${backend.name}: it has no round yet`);
    return new StoreSnapshot(view, state.marker, onClosed);
  } catch (error) {
    void view.close();
    throw error;
  }
}

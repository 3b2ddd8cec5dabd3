import { type Backend, type Batch, bytesOf, pauseOf, type Row } from "../disk/index.js";
import { DamagedError, defaultLimits, type Revision, type StoreClock, Turns } from "../base/index.js";
import { isEmpty, verify } from "./recovery.js";
import { Tables, type TableSource } from "./tables.js";

/** The bytes of one write. At most as many, plus one row, wait in memory. */
const batchBytes = 1024 * 1024;

/** The options of `buildStore`. */
export interface BuildOptions {
  /** An empty backend. The caller passes it to `KvStore.install` afterwards, or closes it. */
  readonly backend: Backend;
  readonly clock: StoreClock;
}

/** A store that was built and checked. */
export interface BuiltStore {
  readonly revision: Revision;
  /** The marker of the snapshot. */
  readonly marker: Uint8Array;
  readonly tables: TableSource;
}

/** Begins a store from a snapshot. @throws Error if the backend is not empty */
export async function buildStore({ backend, clock }: BuildOptions): Promise<StoreBuilder> {
  if (!(await isEmpty(backend))) throw new Error(`Cannot build a store in ${backend.name}: it is not empty`);
  return new StoreBuilder(backend, clock);
}

/** Builds a store from the rows of another store's snapshot, in portions of any size. One call at a time. */
export class StoreBuilder {
  private batch: Batch;
  private bytes = 0;

  /** Use `buildStore`. */
  constructor(
    private readonly backend: Backend,
    private readonly clock: StoreClock,
  ) {
    this.batch = backend.batch();
  }

  /**
   * Adds rows; resolves once there is room for more, after each full batch is on disk. The rows are not copied, so their memory must
   * not change.
   */
  async add(rows: readonly Row[]): Promise<void> {
    for (const row of rows) {
      this.batch.put(...row);
      this.bytes += bytesOf(row);
      if (this.bytes >= batchBytes) await this.write();
    }
  }

  /**
   * Ends the store after the last row: writes the rest, and reads all rows again, in slices, to check them.
   *
   * @throws DamagedError, StoreVersionError
   */
  async finishStore(): Promise<BuiltStore> {
    await this.write();
    const tables = new Tables();
    const { revision, marker } = await verify(
      this.backend,
      tables,
      pauseOf(new Turns(this.clock, defaultLimits), () => undefined),
    );
    if (marker === undefined) throw new DamagedError(this.backend.name, "its marker is missing");
    return { revision, marker, tables };
  }

  private async write(): Promise<void> {
    const { batch } = this;
    this.batch = this.backend.batch();
    this.bytes = 0;
    await batch.write();
  }
}

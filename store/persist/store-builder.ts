import { type Backend, type Batch, bytesOf, paceOf, type Row } from "../disk/index.js";
import { DamagedError, defaultLimits, type Revision, type StoreClock, Turns } from "../base/index.js";
import { isEmpty, verify } from "./recovery.js";
import { Tables, type TableSource } from "./tables.js";

/** Bytes of one write; as many wait in memory at most, and one row. */
const batchBytes = 1024 * 1024;

/** Options of building a store from a snapshot. */
export interface BuildOptions {
  /** Stays the caller's: to be given to `KvStore.install`, or closed and thrown away. */
  readonly backend: Backend;
  readonly clock: StoreClock;
}

/** A store that was built and found to be whole. */
export interface BuiltStore {
  readonly revision: Revision;
  /** Marker of the snapshot where it was taken. */
  readonly marker: Uint8Array;
  readonly tables: TableSource;
}

/** @throws Error if the backend is not empty */
export async function buildStore({ backend, clock }: BuildOptions): Promise<StoreBuilder> {
  if (!(await isEmpty(backend))) throw new Error(`Cannot build a store in ${backend.name}: it is not empty`);
  return new StoreBuilder(backend, clock);
}

/** Makes a store of the rows of another one's snapshot, in whatever portions they come. One call at a time. */
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
   * Resolves once there is room for more: what fills a batch is on disk then. The rows are not copied, so their memory
   * must stay as it is.
   */
  async add(rows: readonly Row[]): Promise<void> {
    for (const row of rows) {
      this.batch.put(...row);
      this.bytes += bytesOf(row);
      if (this.bytes >= batchBytes) await this.write();
    }
  }

  /**
   * All rows were added: makes sure that they are on disk, and, in slices, that they are what was written by whoever
   * first wrote them.
   *
   * @throws DamagedError, StoreVersionError
   */
  async finish(): Promise<BuiltStore> {
    await this.write();
    const tables = new Tables();
    const { revision, marker } = await verify(
      this.backend,
      tables,
      paceOf(new Turns(this.clock, defaultLimits), () => undefined),
    );
    if (marker === undefined) throw new DamagedError(this.backend.name, "it does not say what it contains");
    return { revision, marker, tables };
  }

  private async write(): Promise<void> {
    const { batch } = this;
    this.batch = this.backend.batch();
    this.bytes = 0;
    await batch.write();
  }
}

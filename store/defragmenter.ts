import { allRows, type Backend, firstRowKeyOf } from "./disk/index.js";
import type { Revision, StoreClock, StoreStats } from "./base/index.js";

/** The approximate bytes of rows that LevelDB rewrites at a time. */
const bytesPerPart = 64 * 1024 * 1024;

/** Contents whose backend is defragmented. */
export interface DefragmentedContents {
  readonly revision: Revision;
  /** Keeps the backend open while `read` runs. */
  readWhileOpen<T>(read: () => Promise<T>): Promise<T>;
  /** @throws ClosedError */
  checkOpen(): void;
}

/** Has a backend free the disk space of deleted rows, and measures the time. */
export class Defragmenter {
  private underWay: Promise<void> | undefined = undefined;

  constructor(
    private readonly backend: Backend,
    private readonly contents: DefragmentedContents,
    private readonly stats: StoreStats,
    private readonly clock: StoreClock,
  ) {}

  /** Defragments one part after the other: a close waits for one part at most. A call during a run returns the same promise. */
  run(): Promise<void> {
    this.underWay ??= this.contents
      .readWhileOpen(() => this.measureRun())
      .finally(() => {
        this.underWay = undefined;
      });
    return this.underWay;
  }

  private async measureRun(): Promise<void> {
    const { stats, clock } = this;
    const beganAt = clock.now();
    stats.isDefragmenting = true;
    try {
      await this.compactRows();
      stats.defragmentSeconds.observe((clock.now() - beganAt) / 1_000);
    } finally {
      stats.isDefragmenting = false;
    }
  }

  private async compactRows(): Promise<void> {
    const { allocatedBytes } = await this.backend.size();
    const parts = Math.ceil(allocatedBytes / bytesPerPart) || 1;
    let from: Uint8Array = allRows.from;
    for (let part = 1; part <= parts; part++) {
      this.contents.checkOpen();
      const to = part === parts ? allRows.to : firstRowKeyOf(Math.ceil((this.contents.revision * part) / parts));
      await this.backend.compact?.(from, to);
      from = to;
    }
  }
}

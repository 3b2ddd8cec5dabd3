import type { Clock, Disk } from "../raft/index.js";
import type { Backend, BackendSize, Batch, RowIterator, View } from "../store/index.js";
import type { Logger } from "./logger.js";

/** How often space is looked for while there is too little. */
const retryMs = 1_000;

export interface StoreSpaceOptions {
  readonly disk: Pick<Disk, "freeBytes">;
  readonly directory: string;
  /** With less space than this nothing is written. */
  readonly reserveBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Lets writes to the store wait while the disk is nearly full. LevelDB takes no write any more after one has failed, until it
 * is opened again; one that waits holds up only what is applied, and the log says what that is.
 */
export class StoreSpace {
  private readonly waiting = new Set<() => void>();
  private full = false;
  private stopped = false;

  constructor(private readonly options: StoreSpaceOptions) {}

  /**
   * Resolves once there is enough.
   *
   * @throws Error if this is stopped before
   */
  async available(): Promise<void> {
    while (!this.stopped && !(await this.isThere())) await this.pause();
    if (this.stopped && this.full) throw new Error("no space left for the store");
  }

  /** Ends what waits. */
  stop(): void {
    this.stopped = true;
    for (const wake of this.waiting) wake();
  }

  private isThere(): Promise<boolean> {
    const { disk, directory, reserveBytes } = this.options;
    return new Promise((resolve) => {
      if (disk.freeBytes === undefined) resolve(true);
      else
        disk.freeBytes(directory, (error, free = 0) => {
          this.changed(error === null && free < reserveBytes); // a disk that cannot say how full it is may still take the write
          resolve(!this.full);
        });
    });
  }

  private changed(full: boolean): void {
    if (full === this.full) return;
    this.full = full;
    const { logger, directory } = this.options;
    if (full) logger.error("no space for the store: what is applied waits until there is some", { directory });
    else logger.info("there is space for the store again", { directory });
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        this.waiting.delete(wake);
        resolve();
      };
      const cancel = this.options.clock.after(retryMs, wake);
      this.waiting.add(wake);
    });
  }
}

/** A backend whose writes wait for space. */
export class SpacedBackend implements Backend {
  constructor(
    private readonly backend: Backend,
    private readonly space: Pick<StoreSpace, "available">,
  ) {}

  get name(): string {
    return this.backend.name;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.backend.get(key);
  }

  iterate(from: Uint8Array, to: Uint8Array): RowIterator {
    return this.backend.iterate(from, to);
  }

  view(): View {
    return this.backend.view();
  }

  batch(): Batch {
    const batch = this.backend.batch();
    return {
      put: (key, value) => batch.put(key, value),
      delete: (key) => batch.delete(key),
      write: async () => {
        await this.space.available();
        await batch.write();
      },
    };
  }

  size(): Promise<BackendSize> {
    return this.backend.size();
  }

  close(): Promise<void> {
    return this.backend.close();
  }
}

import type { Clock } from "../../platform/index.js";
import {
  buildStore,
  type Backend,
  type KvStore,
  type Row,
  type StoreBackend,
  type StoreBuilder,
} from "../../store/index.js";
import { type AppliedState, readAppliedState } from "../replication/apply/index.js";
import type { DataDirectory } from "../data-dir/index.js";
import { type Logger, storeClockOf } from "../base/index.js";

/** A store beside the one in use, built from a received snapshot. */
export interface NewStore {
  /** Writes rows; resolves once there is room for more. The rows are not changed. */
  write(rows: readonly Row[]): Promise<void>;
  /**
   * Makes the store durable and verifies it.
   *
   * @returns the log position that it contains, with the rest of the replicated state
   * @throws DamagedError, StoreVersionError
   */
  finishStore(): Promise<AppliedState>;
  /** Makes this store the one in use, also after a crash. After a failure, only the next start finds out which store is in use. */
  install(): Promise<void>;
  /** Removes this store; not allowed after `install` has begun. */
  discard(): Promise<void>;
}

/** Opens the rows of stores. */
export interface BackendSource {
  /** Opens, or creates, the rows of a store at a path in the data directory. */
  openBackend(path: string): Promise<StoreBackend>;
}

/** The options of `NewStores`. */
export interface NewStoresOptions {
  readonly directory: Pick<DataDirectory, "prepareStorePath" | "useStore" | "removeUnusedStores">;
  readonly backends: BackendSource;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The store in use. */
  readonly store: Pick<KvStore, "install">;
}

/** Creates stores in a member's directory, beside the one in use. `close` waits until none is open. */
export class NewStores {
  private readonly open = new Set<Promise<void>>();
  private isClosed = false;

  constructor(private readonly options: NewStoresOptions) {}

  /** Creates an empty store; removes the rest of a former attempt. @throws Error after `close` */
  async create(): Promise<NewStore> {
    if (this.isClosed) throw new Error("Cannot make a store: the member is stopping");
    let onGone: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => (onGone = resolve));
    this.open.add(ended);
    const onEnded = (): void => {
      this.open.delete(ended);
      onGone();
    };
    try {
      const { path, backend, builder } = await this.createBuilder();
      return new UnfinishedStore(this.options, path, backend, builder, onEnded);
    } catch (error) {
      onEnded();
      throw error;
    }
  }

  /** Waits until all created stores are installed or discarded. */
  async close(): Promise<void> {
    this.isClosed = true;
    await Promise.all(this.open);
  }

  private async createBuilder(): Promise<{ path: string; backend: Backend; builder: StoreBuilder }> {
    const { directory, backends, clock } = this.options;
    const path = await directory.prepareStorePath();
    const backend = await backends.openBackend(path);
    try {
      return { path, backend, builder: await buildStore({ backend, clock: storeClockOf(clock) }) };
    } catch (error) {
      await backend.close();
      throw error;
    }
  }
}

class UnfinishedStore implements NewStore {
  private state: AppliedState | undefined = undefined;

  constructor(
    private readonly options: NewStoresOptions,
    private readonly path: string,
    private readonly backend: Backend,
    private readonly builder: StoreBuilder,
    private readonly onEnded: () => void,
  ) {}

  write(rows: readonly Row[]): Promise<void> {
    return this.builder.add(rows);
  }

  async finishStore(): Promise<AppliedState> {
    const { marker, tables } = await this.builder.finishStore();
    this.state = readAppliedState(marker, tables);
    return this.state;
  }

  async install(): Promise<void> {
    const { directory, store, logger } = this.options;
    const { path, state } = this;
    if (state === undefined) throw new Error(`Cannot install ${path}: it was not finished`);
    try {
      const { whenReplaced } = await store.install(this.backend, () => directory.useStore(path, state));
      whenReplaced
        .then(() => directory.removeUnusedStores())
        // The replaced store takes space until the next start.
        .catch((error: unknown) => logger.warn("cannot remove the store that a snapshot replaced", { error }))
        .finally(this.onEnded);
    } catch (error) {
      this.onEnded();
      throw error;
    }
  }

  async discard(): Promise<void> {
    try {
      await this.backend.close();
      await this.options.directory.removeUnusedStores();
    } finally {
      this.onEnded();
    }
  }
}

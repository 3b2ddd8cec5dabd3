import { type Backend, pauseOf } from "./disk/index.js";
import { DamagedError } from "./base/index.js";
import type { Compaction } from "./persist/index.js";
import { openContents, type Contents, type ContentsOptions } from "./contents.js";
import type { Watches } from "./watch/index.js";

/** An installed snapshot. */
export interface Installed {
  /** Resolves once the replaced backend is closed, so that its directory can be removed. */
  readonly whenReplaced: Promise<void>;
}

/** Holds the present contents of a store, and replaces them by those of a snapshot. */
export class ContentsInUse {
  /** Bytes that were written into replaced contents, and the bytes of the installed snapshots. */
  private writtenBefore = 0;
  /** The contents that were replaced last, until their reads have ended. */
  private previous: Contents | undefined = undefined;
  /** The installation under way; never rejects. */
  private installing: Promise<unknown> | undefined = undefined;

  /**
   * @param watches informed when the history advances without changes being applied
   * @param checkOpen throws if the store is closed
   */
  constructor(
    private current: Contents,
    private readonly options: Omit<ContentsOptions, "backend">,
    private readonly watches: Pick<Watches, "onAdvanced">,
    private readonly checkOpen: () => void,
  ) {}

  /** The present contents. */
  get contents(): Contents {
    return this.current;
  }

  /** Tells whether a snapshot is being installed. */
  get isInstalling(): boolean {
    return this.installing !== undefined;
  }

  /** The approximate bytes written to disk since the store was opened; an installed snapshot counts as a whole. */
  get writtenBytes(): number {
    return this.writtenBefore + this.current.writer.writtenBytes;
  }

  /** Replaces the contents; see `KvStore.install`. */
  async install(backend: Backend, commit: () => Promise<void>): Promise<Installed> {
    try {
      this.checkOpen();
      if (this.installing !== undefined) throw new Error("Cannot install two snapshots at once");
    } catch (error) {
      await backend.close();
      throw error;
    }
    const installed = this.takeOver(backend, commit).finally(() => (this.installing = undefined));
    this.installing = installed.catch(() => undefined);
    return installed;
  }

  /** Waits for a compaction of `contents`. If a snapshot replaces them meanwhile, the compaction is part of the snapshot. */
  async whenFinished(compaction: Compaction, contents: Contents): Promise<void> {
    try {
      await compaction.whenFinished;
    } catch (error) {
      if (contents === this.current) throw error;
      await this.whenFinished(this.current.newestCompaction, this.current);
    }
  }

  /** Writes all ended rounds, then closes the contents once `watchesEnded` has resolved. */
  async close(watchesEnded: Promise<void>): Promise<void> {
    await this.installing; // an installation ends at its next slice, but never during `commit`
    try {
      await this.current.writer.close();
    } finally {
      await watchesEnded;
      await this.previous?.close();
      await this.current.close();
    }
  }

  private async takeOver(backend: Backend, commit: () => Promise<void>): Promise<Installed> {
    const old = this.current;
    const next = await this.openNext(backend);
    let installedBytes = 0;
    try {
      checkFollows(next, old, backend.name);
      installedBytes = (await next.size()).allocatedBytes;
      await old.writer.hold();
      this.checkOpen();
      await commit();
    } catch (error) {
      old.writer.release();
      await next.close();
      throw error;
    }
    this.current = next;
    this.writtenBefore += old.writer.writtenBytes + installedBytes;
    next.start();
    this.watches.onAdvanced(old.revision);
    return { whenReplaced: this.retire(old) };
  }

  private async openNext(backend: Backend): Promise<Contents> {
    try {
      await this.previous?.retire();
      this.checkOpen();
    } catch (error) {
      await backend.close();
      throw error;
    }
    const { options, checkOpen } = this;
    return openContents({ ...options, backend }, pauseOf(options.turns, checkOpen));
  }

  private retire(old: Contents): Promise<void> {
    this.previous = old;
    const retired = old.retire().finally(() => (this.previous = undefined));
    retired.catch(() => undefined); // an error costs only disk space; the caller gets it from `whenReplaced`
    return retired;
  }
}

function checkFollows({ marker, revision, compactRevision }: Contents, old: Contents, name: string): void {
  if (marker === undefined) throw new DamagedError(name, "its marker is missing");
  if (revision >= old.revision && compactRevision >= old.compactRevision) return;
  throw new DamagedError(
    name,
    `it is of revision ${revision}, compacted up to ${compactRevision}: older than what is here, ` +
      `revision ${old.revision}, compacted up to ${old.compactRevision}`,
  );
}

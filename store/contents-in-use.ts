import { type Backend, paceOf } from "./disk/index.js";
import { DamagedError } from "./base/index.js";
import type { Compaction } from "./persist/index.js";
import { openContents, type Contents, type ContentsOptions } from "./contents.js";
import type { Watches } from "./watch/index.js";

/** A snapshot that was installed. */
export interface Installed {
  /** Resolves once the backend that was in use before is closed, so that it can be removed. */
  readonly replaced: Promise<void>;
}

/** The contents that a store has, and their replacement by those of a snapshot. */
export class ContentsInUse {
  /** Bytes that were written into contents that were replaced, and those of the snapshots that did. */
  private writtenBefore = 0;
  /** The contents that were replaced last, while reads of them finish. */
  private previous: Contents | undefined = undefined;
  /** A snapshot is being installed; never rejects. */
  private installing: Promise<unknown> | undefined = undefined;

  /**
   * @param watches told of a jump in the history
   * @param checkOpen throws if the store is closed
   */
  constructor(
    private current: Contents,
    private readonly options: Omit<ContentsOptions, "backend">,
    private readonly watches: Pick<Watches, "onAdvanced">,
    private readonly checkOpen: () => void,
  ) {}

  get contents(): Contents {
    return this.current;
  }

  /** Tells whether a snapshot is being installed. */
  get isInstalling(): boolean {
    return this.installing !== undefined;
  }

  /** Bytes that were written to disk since the store was opened, about; an installed snapshot counts as a whole. */
  get writtenBytes(): number {
    return this.writtenBefore + this.current.writer.writtenBytes;
  }

  /** Replaces the contents, as `KvStore.install` says. */
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

  /** Waits for a compaction that began in `contents`: a snapshot that has taken their place contains it. */
  async whenFinished(compaction: Compaction, contents: Contents): Promise<void> {
    try {
      await compaction.finished;
    } catch (error) {
      if (contents === this.current) throw error;
      await this.whenFinished(this.current.newestCompaction, this.current);
    }
  }

  /** Writes what was ended, then lets go of everything once `watchesEnded` has. */
  async close(watchesEnded: Promise<void>): Promise<void> {
    await this.installing; // it ends at its next slice; not in the middle of `commit`
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
    return { replaced: this.retire(old) };
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
    return openContents({ ...options, backend }, paceOf(options.turns, checkOpen));
  }

  private retire(old: Contents): Promise<void> {
    this.previous = old;
    const retired = old.retire().finally(() => (this.previous = undefined));
    retired.catch(() => undefined); // only space is lost; whoever removes it is told
    return retired;
  }
}

function checkFollows({ marker, revision, compactRevision }: Contents, old: Contents, name: string): void {
  if (marker === undefined) throw new DamagedError(name, "it does not say what it contains");
  if (revision >= old.revision && compactRevision >= old.compactRevision) return;
  throw new DamagedError(
    name,
    `it is of revision ${revision}, compacted up to ${compactRevision}: older than what is here, ` +
      `revision ${old.revision}, compacted up to ${old.compactRevision}`,
  );
}

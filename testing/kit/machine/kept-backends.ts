// The rows of a member's stores. In memory, they outlive the processes of the member; on the machine's disk, they are in LevelDB.

import { toPromise, type MemberDisk } from "../../../platform/index.js";
import {
  type Backend,
  MemoryBackend,
  openDiskBackend,
  type StoreBackend,
  withClose,
  type StoreImage,
} from "../../../store/index.js";
import type { SimProcess } from "../../index.js";

/** Opens the stores of one member. */
export interface BackendKeeper {
  /** Opens or creates the store in `directory`, for one process of the member. */
  open(directory: string, disk: MemberDisk, process: SimProcess): Promise<StoreBackend>;
  /** The files of a directory have been removed. */
  onRemoved(directory: string): void;
  /** The process has died: closes the stores that it had open. */
  closeStores(): Promise<void>;
}

/** Rows in memory, by directory. */
export class MemoryBackends implements BackendKeeper {
  private readonly backends = new Map<string, MemoryBackend>();

  /** The in-memory state of the store that these rows are a copy of, for the first process that opens them. */
  private image: StoreImage | undefined;

  /**
   * Copies the rows, for another member.
   *
   * @param image the current in-memory state of the only store; undefined: it will be read from the rows
   */
  copy(image: StoreImage | undefined): MemoryBackends {
    const copy = new MemoryBackends();
    for (const [directory, backend] of this.backends) copy.backends.set(directory, backend.copy());
    if (this.backends.size === 1) copy.image = image;
    return copy;
  }

  async open(directory: string, disk: MemberDisk, process: SimProcess): Promise<StoreBackend> {
    await toPromise((done) => disk.makeDirectory(directory, done));
    const { image } = this;
    this.image = undefined;
    let backend = this.backends.get(directory);
    if (backend === undefined) this.backends.set(directory, (backend = new MemoryBackend()));
    const { name } = backend;
    const kept = backend;
    return {
      name,
      image,
      get: (key) => kept.get(key),
      iterate: (from, to) => kept.iterate(from, to),
      view: () => kept.view(),
      batch: () => {
        const batch = kept.batch();
        return {
          put: (key, value) => batch.put(key, value),
          delete: (key) => batch.delete(key),
          write: () => (process.isAlive ? batch.write() : new Promise(() => undefined)),
        };
      },
      size: () => kept.size(),
      close: () => Promise.resolve(),
    };
  }

  onRemoved(directory: string): void {
    for (const path of [...this.backends.keys()])
      if (path === directory || path.startsWith(`${directory}/`)) this.backends.delete(path);
  }

  closeStores(): Promise<void> {
    return Promise.resolve();
  }
}

/** Rows on the machine's disk. */
export class DiskBackends implements BackendKeeper {
  private readonly opened = new Set<Backend>();

  async open(directory: string): Promise<Backend> {
    const backend = await openDiskBackend(directory);
    this.opened.add(backend);
    return withClose(backend, async () => {
      if (this.opened.delete(backend)) await backend.close();
    });
  }

  onRemoved(): void {
    // LevelDB's files are removed with the directory.
  }

  async closeStores(): Promise<void> {
    const opened = [...this.opened];
    this.opened.clear();
    await Promise.all(opened.map((backend) => backend.close()));
  }
}

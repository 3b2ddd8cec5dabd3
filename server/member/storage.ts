// The places in which a member keeps its data: the disk of its directory and log, and the rows of its stores.

import {
  type DiskDone,
  machineDisk,
  type MemberDisk,
  MemoryDisk,
  toPromise,
  unsyncedMachineDisk,
} from "../../platform/index.js";
import { type Backend, openDiskBackend, openMemoryBackend } from "../../store/index.js";
import type { MemberConfig } from "../config/index.js";
import { type Descriptors, processDescriptors } from "../resources/index.js";
import type { BackendSource } from "../snapshots/index.js";

/** Space to leave free on a disk: a member that waits for more continues as soon as there is some, without having failed. */
export interface SpaceReserves {
  /** The space to leave when the log gets a further segment. */
  readonly logBytes: number;
  /** The space to leave when the store is written. Less than the log's, as the log fills the disk. */
  readonly storeBytes: number;
}

/** The parts of a member that keep its data. */
export interface Storage extends BackendSource {
  /** The disk that holds the member's directory. */
  readonly disk: MemberDisk;
  /** The size of the log's segments; the log's own by default. */
  readonly segmentBytes?: number | undefined;
  /** Space to leave free; none by default. */
  readonly reserves?: SpaceReserves | undefined;
  /** The file descriptors of the process; by default there are always enough. */
  readonly descriptors?: Pick<Descriptors, "areFree" | "lend"> | undefined;
}

/** LevelDB sorts its tables by writing up to 26 MiB of them anew; if that fails it takes no more writes. */
const reserves = { logBytes: 48 * 1024 * 1024, storeBytes: 32 * 1024 * 1024 };

/** The size of a log's segments in memory: they are removed as a whole. */
const memorySegmentBytes = 4 * 1024 * 1024;

/** Returns the storage of a member in a process. */
export const storageOf = (kind: MemberConfig["storage"]): Storage => {
  if (kind === "memory") return memoryStorage();
  const isSynced = kind === "disk";
  return {
    disk: isSynced ? machineDisk : unsyncedMachineDisk,
    reserves,
    descriptors: processDescriptors(),
    openBackend: (path) => openDiskBackend(path, { sync: isSynced }),
  };
};

/** Storage that reserves nothing, as it writes nothing to the machine; memory is its only bound. */
const memoryStorage = (): Storage => {
  const stores = new Map<string, Promise<Backend>>();
  const disk = new StoreRemovingDisk(stores);
  return {
    disk,
    segmentBytes: memorySegmentBytes,
    openBackend: async (path) => {
      await toPromise((done) => disk.makeDirectory(path, done)); // a store in use has a folder
      let store = stores.get(path);
      if (store === undefined) stores.set(path, (store = openMemoryBackend()));
      return withoutClose(await store);
    },
  };
};

/** A disk in memory on which a store goes with its folder. */
class StoreRemovingDisk extends MemoryDisk {
  constructor(private readonly stores: Map<string, unknown>) {
    super();
  }

  override removeTree(path: string, done: DiskDone): void {
    this.stores.delete(path);
    super.removeTree(path, done);
  }
}

/** A backend that is there for the next opening, as files are. */
const withoutClose = (backend: Backend): Backend => ({
  name: backend.name,
  get: (key) => backend.get(key),
  iterate: (from, to) => backend.iterate(from, to),
  view: () => backend.view(),
  batch: () => backend.batch(),
  size: () => backend.size(),
  close: () => Promise.resolve(),
});

// The storage of a member: the disk of its data directory and log, and the rows of its stores.

import {
  type DiskDone,
  machineDisk,
  type MemberDisk,
  MemoryDisk,
  toPromise,
  unsyncedMachineDisk,
} from "../../platform/index.js";
import { type Backend, openDiskBackend, openMemoryBackend, withClose } from "../../store/index.js";
import type { GeneralConfig } from "../config/index.js";
import { type Descriptors, processDescriptors } from "../resources/index.js";
import type { BackendSource } from "../snapshots/index.js";

/** Disk space to leave free: a member that waits for space continues as soon as some is freed, and has not failed. */
export interface SpaceReserves {
  /** The space to leave when the log creates a segment, in bytes. */
  readonly logBytes: number;
  /** The space to leave when the store is written, in bytes. Less than the log's, as the log fills the disk. */
  readonly storeBytes: number;
}

/** The parts of a member that keep its data. */
export interface Storage extends BackendSource {
  /** The disk that holds the member's directory. */
  readonly disk: MemberDisk;
  /** The size of the log's segments in bytes; absent: the log's default. */
  readonly segmentBytes?: number | undefined;
  /** Space to leave free; absent: none. */
  readonly reserves?: SpaceReserves | undefined;
  /** The file descriptors of the process; absent: not counted. */
  readonly descriptors?: Pick<Descriptors, "hasFree" | "releaseSpares"> | undefined;
}

/** A compaction of LevelDB writes up to 26 MiB anew; after a failed one, LevelDB accepts no more writes. */
const reserves = { logBytes: 48 * 1024 * 1024, storeBytes: 32 * 1024 * 1024 };

/** The size of a log's segments in memory, in bytes: a segment is removed as a whole. */
const memorySegmentBytes = 4 * 1024 * 1024;

/** Returns the storage of a member in a process. */
export const storageOf = (kind: GeneralConfig["storage"]): Storage => {
  if (kind === "memory") return memoryStorage();
  const isSynced = kind === "disk";
  return {
    disk: isSynced ? machineDisk : unsyncedMachineDisk,
    reserves,
    descriptors: processDescriptors(),
    openBackend: (path) => openDiskBackend(path, { sync: isSynced }),
  };
};

/** Storage in memory, which does not use the machine's disk and so reserves no space. */
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
      return withClose(await store, () => Promise.resolve()); // the rows outlive `close`, as files do
    },
  };
};

/** A disk in memory that removes a store with its folder. */
class StoreRemovingDisk extends MemoryDisk {
  constructor(private readonly stores: Map<string, unknown>) {
    super();
  }

  override removeTree(path: string, done: DiskDone): void {
    this.stores.delete(path);
    super.removeTree(path, done);
  }
}

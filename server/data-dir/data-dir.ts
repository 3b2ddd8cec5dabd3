import { basename } from "node:path";
import type { LogPosition } from "../../raft/index.js";
import {
  DirectoryFiles,
  formatOwner,
  formatStoreInUse,
  type DirectoryOwner,
  type StoreInUse,
} from "./directory-files.js";
import { type DirectoryLock, type MemberDisk, replaceFile, ensureDirectory, toPromise } from "../../platform/index.js";
import { asStartError } from "../base/index.js";

/**
 * A member's directory, locked by this process:
 * `<data-dir>/member/{format.json,lock/,incarnation,peers,wal/,store-<n>/,store-current}`.
 */
export class DataDirectory {
  private constructor(
    private readonly disk: MemberDisk,
    private readonly files: DirectoryFiles,
    private readonly lock: DirectoryLock,
    /** Undefined: the directory is new, and was never acknowledged from; `recordOwner` sets the owner. */
    readonly owner: DirectoryOwner | undefined,
  ) {}

  /**
   * Opens or creates the directory and locks it.
   *
   * @throws StartError if it is in use, belongs to a real etcd or a newer minietcd, or cannot be written
   */
  static async open(dataDir: string, disk: MemberDisk): Promise<DataDirectory> {
    const files = new DirectoryFiles(disk, dataDir);
    try {
      await files.refuseForeign();
      await ensureDirectory(disk, files.member);
      const lock = await files.lock();
      try {
        // The files read below may have been replaced by a process that was killed before the replacement was durable.
        await syncDirectory(disk, files.member);
        const owner = await files.readOwner();
        if (owner === undefined) await removeUnfinished(disk, files);
        return new DataDirectory(disk, files, lock, owner);
      } catch (error) {
        await lock.close();
        throw error;
      }
    } catch (error) {
      throw asStartError(error, dataDir);
    }
  }

  get walPath(): string {
    return this.files.pathOf("wal");
  }

  /** Returns the store in use. */
  readStoreInUse(): Promise<StoreInUse> {
    return this.files.readStoreInUse();
  }

  /** The path of the first store, which is created before `recordOwner`. */
  get firstStorePath(): string {
    return this.files.pathOf("store-1");
  }

  /** Removes the unused store of a former attempt, and returns an unused path for another store. */
  async prepareStorePath(): Promise<string> {
    await this.removeUnusedStores();
    const numbers = (await this.files.listStores()).map((name) => Number(name.slice("store-".length)));
    return this.files.pathOf(`store-${Math.max(...numbers) + 1}`);
  }

  /**
   * Makes the store at `path` the one in use, also after a crash: `store-current` is the commit point. The store must be
   * synced.
   *
   * @param installed the store's log position, if the log on disk ends before it; undefined: it is the first store
   */
  async useStore(path: string, installed: LogPosition | undefined): Promise<void> {
    // The entries of the folder must be durable before `store-current` is. LevelDB does not sync the entry of its `CURRENT`.
    await syncDirectory(this.disk, path);
    await syncDirectory(this.disk, this.files.member);
    await this.replace("store-current", formatStoreInUse({ path, installed }));
  }

  /** Removes every store but the one in use: replaced by a snapshot, or never complete. */
  async removeUnusedStores(): Promise<void> {
    const inUse = basename((await this.readStoreInUse()).path);
    for (const name of await this.files.listStores())
      if (name !== inUse) await removeTree(this.disk, this.files.pathOf(name));
  }

  /** Records the owner of the directory. The last step of a bootstrap, which starts over after a crash. */
  async recordOwner(owner: DirectoryOwner): Promise<void> {
    await this.replace("format.json", formatOwner(owner));
  }

  /** Counts this start of the member: every incarnation is higher than all before it. */
  async nextIncarnation(): Promise<number> {
    const next = (await this.files.readIncarnation()) + 1;
    await this.replace("incarnation", `${next}\n`);
    return next;
  }

  /** Reads the file `peers`; undefined: there is none yet. */
  readPeers(): Promise<string | undefined> {
    return this.files.readPeers();
  }

  /** Replaces the file `peers`; resolves when it is durable. */
  replacePeers(text: string): Promise<void> {
    return this.replace("peers", text);
  }

  /** Releases the lock. */
  async close(): Promise<void> {
    await this.lock.close();
  }

  private replace(name: string, text: string): Promise<void> {
    return replaceFile(this.disk, this.files.pathOf(name), text);
  }
}

/** Removes the files of a bootstrap that did not reach `recordOwner`: the member had not voted or acknowledged. */
const removeUnfinished = async (disk: MemberDisk, files: DirectoryFiles): Promise<void> => {
  for (const name of await files.listNames()) if (name !== "lock") await removeTree(disk, files.pathOf(name));
};

const removeTree = (disk: MemberDisk, path: string): Promise<void> => toPromise((done) => disk.removeTree(path, done));

const syncDirectory = (disk: MemberDisk, directory: string): Promise<void> =>
  toPromise((done) => disk.syncDirectory(directory, done));

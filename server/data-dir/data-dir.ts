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
 * A member's directory, held by this process alone:
 * `<data-dir>/member/{format.json,lock/,incarnation,peers,wal/,store-<n>/,store-current}`.
 */
export class DataDirectory {
  private constructor(
    private readonly disk: MemberDisk,
    private readonly files: DirectoryFiles,
    private readonly lock: DirectoryLock,
    /** Undefined: nothing was ever acknowledged from here; `begin` makes it somebody's. */
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
        // What is read from here on is acted upon, but whoever replaced it may have been killed before that was durable.
        await syncDirectory(disk, files.member);
        const owner = await files.owner();
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
  store(): Promise<StoreInUse> {
    return this.files.storeInUse();
  }

  /** The path of the first store, which is made before `begin`. */
  get firstStorePath(): string {
    return this.files.pathOf("store-1");
  }

  /** Returns a path without a file, for another store. One at a time: the store of a former attempt is removed. */
  async newStorePath(): Promise<string> {
    await this.removeUnusedStores();
    const numbers = (await this.files.stores()).map((name) => Number(name.slice("store-".length)));
    return this.files.pathOf(`store-${Math.max(...numbers) + 1}`);
  }

  /**
   * Makes the store at `path` the one in use, now and after a crash: `store-current` is the commit point. Everything in
   * it must have been synced.
   *
   * @param installed what it contains of the log, should that be more than the log on disk has; undefined: it is the first
   */
  async useStore(path: string, installed: LogPosition | undefined): Promise<void> {
    // Names must not come later than the file that says they are there. LevelDB leaves the one of its `CURRENT` to chance.
    await syncDirectory(this.disk, path);
    await syncDirectory(this.disk, this.files.member);
    await this.replace("store-current", formatStoreInUse({ path, installed }));
  }

  /** Removes every store but the one in use: what a snapshot replaced, or one that was never whole. */
  async removeUnusedStores(): Promise<void> {
    const inUse = basename((await this.store()).path);
    for (const name of await this.files.stores())
      if (name !== inUse) await removeTree(this.disk, this.files.pathOf(name));
  }

  /** Gives the directory to this member. The last step of a bootstrap, which starts over if it is cut short. */
  async begin(owner: DirectoryOwner): Promise<void> {
    await this.replace("format.json", formatOwner(owner));
  }

  /** Counts this start of the member: every incarnation is higher than all before it. */
  async nextIncarnation(): Promise<number> {
    const next = (await this.files.incarnation()) + 1;
    await this.replace("incarnation", `${next}\n`);
    return next;
  }

  /** Reads the notes about the other members and this one; undefined: there are none yet. */
  readPeers(): Promise<string | undefined> {
    return this.files.peers();
  }

  /** Replaces the notes; resolves when they are on disk. */
  replacePeers(text: string): Promise<void> {
    return this.replace("peers", text);
  }

  /** Lets go of the directory. */
  async close(): Promise<void> {
    await this.lock.close();
  }

  private replace(name: string, text: string): Promise<void> {
    return replaceFile(this.disk, this.files.pathOf(name), text);
  }
}

/** Removes the files of a bootstrap that did not reach `begin`: nothing was promised from them. */
const removeUnfinished = async (disk: MemberDisk, files: DirectoryFiles): Promise<void> => {
  for (const name of await files.names()) if (name !== "lock") await removeTree(disk, files.pathOf(name));
};

const removeTree = (disk: MemberDisk, path: string): Promise<void> => toPromise((done) => disk.removeTree(path, done));

const syncDirectory = (disk: MemberDisk, directory: string): Promise<void> =>
  toPromise((done) => disk.syncDirectory(directory, done));

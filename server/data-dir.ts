import { readdir, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { Level } from "level";
import type { LogPosition } from "../raft/index.js";
import {
  formatVersion,
  listStores,
  readIncarnation,
  readOwner,
  readStoreInUse,
  refuseForeign,
  wasStarted,
  type DirectoryOwner,
  type StoreInUse,
} from "./directory-files.js";
import { makeDirectory, replaceFile, syncDirectory } from "./durable-file.js";
import { StartError } from "./errors.js";
import { formatId } from "./logger.js";
import { asStartError, errorCode } from "./open-failure.js";

export type { DirectoryOwner, StoreInUse } from "./directory-files.js";

/**
 * A member's directory, held by this process alone:
 * `<data-dir>/member/{format.json,lock/,incarnation,wal/,store-<n>/,store-current}`.
 */
export class DataDirectory {
  private constructor(
    private readonly member: string,
    private readonly lock: Level,
    /** Undefined: nothing was ever acknowledged from here; `begin` makes it somebody's. */
    readonly owner: DirectoryOwner | undefined,
  ) {}

  /**
   * Opens or creates the directory and locks it.
   *
   * @throws StartError if it is in use, belongs to a real etcd or a newer minietcd, or cannot be written
   */
  static async open(dataDir: string): Promise<DataDirectory> {
    const member = join(resolve(dataDir), "member");
    try {
      await refuseForeign(member);
      await makeDirectory(member);
      const lock = await takeLock(join(member, "lock"), dataDir);
      try {
        const owner = await readOwner(member);
        if (owner === undefined) await removeUnfinished(member);
        return new DataDirectory(member, lock, owner);
      } catch (error) {
        await lock.close();
        throw error;
      }
    } catch (error) {
      throw asStartError(error, dataDir);
    }
  }

  get walPath(): string {
    return join(this.member, "wal");
  }

  /** The store in use. */
  store(): Promise<StoreInUse> {
    return readStoreInUse(this.member);
  }

  async storePath(): Promise<string> {
    return (await this.store()).path;
  }

  /** Names the first store, before `begin`. */
  async createStore(): Promise<string> {
    await replaceFile(join(this.member, "store-current"), "store-1\n");
    return (await this.store()).path;
  }

  /** Where another store can be made: nothing is there. Only one at a time: what a former attempt left is removed. */
  async newStorePath(): Promise<string> {
    await this.removeUnusedStores();
    const numbers = (await this.storeNames()).map((name) => Number(name.slice("store-".length)));
    return join(this.member, `store-${Math.max(...numbers) + 1}`);
  }

  /**
   * Makes the store at `path` the one in use, now and after a crash: `store-current` is the commit point. Everything in
   * it must have been synced.
   *
   * @param installed what it contains of the log, should that be more than the log on disk has
   */
  async useStore(path: string, installed: LogPosition): Promise<void> {
    await syncDirectory(path);
    await syncDirectory(this.member); // its name must not come later than the file that says it is there
    const text = `${basename(path)}\nindex ${installed.index} term ${installed.term}\n`;
    await replaceFile(join(this.member, "store-current"), text);
  }

  /** Removes every store but the one in use: what a snapshot replaced, or one that was never whole. */
  async removeUnusedStores(): Promise<void> {
    const { path } = await this.store();
    for (const name of await this.storeNames())
      if (name !== basename(path)) await rm(join(this.member, name), { recursive: true, force: true });
  }

  private storeNames(): Promise<string[]> {
    return listStores(this.member);
  }

  /** From here on the directory belongs to this member. The last step of a bootstrap: a crash before it starts over. */
  async begin(owner: DirectoryOwner): Promise<void> {
    await syncDirectory(this.member);
    const ids = { clusterId: formatId(owner.clusterId), memberId: formatId(owner.memberId) };
    await replaceFile(join(this.member, "format.json"), JSON.stringify({ formatVersion, ...ids }) + "\n");
  }

  /** Counts this start of the member: every incarnation is higher than all before it. */
  async nextIncarnation(): Promise<number> {
    const next = (await readIncarnation(this.member)) + 1;
    await replaceFile(join(this.member, "incarnation"), `${next}\n`);
    return next;
  }

  /** Lets go of the directory. */
  async close(): Promise<void> {
    await this.lock.close();
  }
}

/** Node has no flock: an empty `level` database held open refuses a second process and is free after a kill -9. */
export const takeLock = async (path: string, dataDir: string): Promise<Level> => {
  const lock = new Level(path);
  try {
    await lock.open();
    return lock;
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (errorCode(cause) === "LEVEL_LOCKED" || errorCode(error) === "LEVEL_LOCKED")
      throw new StartError(
        `data directory ${dataDir} is in use by another process: stop it, or choose another --data-dir`,
      );
    throw error;
  }
};

/** What a bootstrap left that never reached `begin`: nobody has been told anything from it. */
const removeUnfinished = async (member: string): Promise<void> => {
  // A member that votes and acknowledges again without knowing what it promised can undo what a majority acknowledged.
  if (await wasStarted(member))
    throw new StartError(
      `${join(member, "format.json")} is missing, though a member has been started here: ` +
        "put the file back as it was, the rest of the directory belongs to it",
    );
  for (const name of await readdir(member))
    if (name !== "lock") await rm(join(member, name), { recursive: true, force: true });
};

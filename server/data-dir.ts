import { readdir, readFile, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { Level } from "level";
import type { LogIndex, LogPosition, MemberId, Term } from "../raft/index.js";
import { makeDirectory, replaceFile, syncDirectory } from "./durable-file.js";
import { StartError } from "./errors.js";
import { formatId } from "./logger.js";
import { asStartError, errorCode } from "./open-failure.js";

/** The version of everything below `member/`; a newer one is refused. */
const formatVersion = 1;

/** Whose data a directory holds. */
export interface DirectoryOwner {
  readonly clusterId: bigint;
  readonly memberId: MemberId;
}

/** Which store a member uses. */
export interface StoreInUse {
  readonly path: string;
  /**
   * What it contained of the log when it was put in the place of another one; undefined: it is the first. After a crash
   * at that moment the log does not reach as far, which would be damage otherwise.
   */
  readonly installed: LogPosition | undefined;
}

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
  async store(): Promise<StoreInUse> {
    const path = join(this.member, "store-current");
    const text = (await readIfThere(path)) ?? "";
    const [, name, index, term] = /^(store-\d+)\n(?:index (\d+) term (\d+)\n)?$/.exec(text) ?? [];
    if (name === undefined) throw new StartError(`${path} is damaged: "${text.trim()}" is not the name of a store`);
    const installed = index === undefined ? undefined : positionOf(index, term ?? "");
    return { path: join(this.member, name), installed };
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

  private async storeNames(): Promise<string[]> {
    return (await readdir(this.member)).filter((name) => /^store-\d+$/.test(name));
  }

  /** From here on the directory belongs to this member. The last step of a bootstrap: a crash before it starts over. */
  async begin(owner: DirectoryOwner): Promise<void> {
    await syncDirectory(this.member);
    const ids = { clusterId: formatId(owner.clusterId), memberId: formatId(owner.memberId) };
    await replaceFile(join(this.member, "format.json"), JSON.stringify({ formatVersion, ...ids }) + "\n");
  }

  /** Counts this start of the member: every incarnation is higher than all before it. */
  async nextIncarnation(): Promise<number> {
    const path = join(this.member, "incarnation");
    const text = (await readIfThere(path)) ?? "0\n";
    const last = Number(text);
    // Starting at 1 again would be fatal quietly: all members would skip what this one proposes, as repeats.
    if (!/^\d+\n$/.test(text) || !Number.isSafeInteger(last)) throw new StartError(`${path} is damaged: not a number`);
    await replaceFile(path, `${last + 1}\n`);
    return last + 1;
  }

  /** Lets go of the directory. */
  async close(): Promise<void> {
    await this.lock.close();
  }
}

const positionOf = (index: string, term: string): LogPosition => ({
  index: Number(index) as LogIndex,
  term: Number(term) as Term,
});

const readIfThere = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
};

/** Looks before anything is created: what is not ours stays untouched. */
const refuseForeign = async (member: string): Promise<void> => {
  let names: string[];
  try {
    names = await readdir(member);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return;
    throw error;
  }
  if (names.includes("snap"))
    throw new StartError(
      `${member} holds the data of a real etcd, which minietcd cannot read: choose another --data-dir`,
    );
  const ours = /^(format\.json(\.tmp)?|lock|incarnation(\.tmp)?|wal|store-\d+|store-current(\.tmp)?)$/;
  const foreign = names.find((name) => !ours.test(name));
  if (foreign !== undefined)
    throw new StartError(`${join(member, foreign)} is not a file of minietcd: choose another --data-dir`);
};

/** Node has no flock: an empty `level` database held open refuses a second process and is free after a kill -9. */
const takeLock = async (path: string, dataDir: string): Promise<Level> => {
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

const readOwner = async (member: string): Promise<DirectoryOwner | undefined> => {
  const path = join(member, "format.json");
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  const format = parseFormat(text, path);
  if (format.formatVersion > formatVersion)
    throw new StartError(
      `${path} has format version ${format.formatVersion}, this minietcd knows up to ${formatVersion}: use a newer minietcd`,
    );
  return { clusterId: format.clusterId, memberId: format.memberId };
};

const parseFormat = (text: string, path: string): DirectoryOwner & { formatVersion: number } => {
  try {
    const { formatVersion, clusterId, memberId } = (JSON.parse(text) ?? {}) as Record<string, unknown>;
    if (typeof formatVersion === "number" && isHex(clusterId) && isHex(memberId))
      return { formatVersion, clusterId: BigInt(`0x${clusterId}`), memberId: BigInt(`0x${memberId}`) };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new StartError(`${path} is damaged: put the file back as it was, the rest of the directory belongs to it`);
};

const isHex = (value: unknown): value is string => typeof value === "string" && /^[0-9a-f]{1,16}$/.test(value);

/** What a bootstrap left that never reached `begin`: nobody has been told anything from it. */
const removeUnfinished = async (member: string): Promise<void> => {
  for (const name of await readdir(member))
    if (name !== "lock" && name !== "incarnation") await rm(join(member, name), { recursive: true, force: true });
};

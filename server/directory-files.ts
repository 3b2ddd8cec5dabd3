// The small files of a member's directory: what they say, and what is wrong with them. Nothing is changed here.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { LogIndex, LogPosition, MemberId, Term } from "../raft/index.js";
import { StartError } from "./errors.js";
import { errorCode } from "./open-failure.js";

/** The version of everything below `member/`; a newer one is refused. */
export const formatVersion = 1;

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

/** The directory was written by a newer version, and left untouched. */
export class NewerDirectoryError extends StartError {}

/**
 * Undefined: no member has begun here.
 *
 * @throws StartError if the file is damaged; NewerDirectoryError
 */
export const readOwner = async (member: string): Promise<DirectoryOwner | undefined> => {
  const path = join(member, "format.json");
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  const format = parseFormat(text, path);
  if (format.formatVersion > formatVersion)
    throw new NewerDirectoryError(
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

/** Whether a member was started here: its log and the count of its starts come after `format.json`. */
export const wasStarted = async (member: string): Promise<boolean> => {
  if ((await readIfThere(join(member, "incarnation"))) !== undefined) return true;
  return (await namesIn(join(member, "wal"))).some((name) => name.endsWith(".wal"));
};

/** @throws StartError if `store-current` does not name a store */
export const readStoreInUse = async (member: string): Promise<StoreInUse> => {
  const path = join(member, "store-current");
  const text = (await readIfThere(path)) ?? "";
  const [, name, index, term] = /^(store-\d+)\n(?:index (\d+) term (\d+)\n)?$/.exec(text) ?? [];
  if (name === undefined) throw new StartError(`${path} is damaged: "${text.trim()}" is not the name of a store`);
  const installed = index === undefined ? undefined : positionOf(index, term ?? "");
  return { path: join(member, name), installed };
};

export const listStores = async (member: string): Promise<string[]> =>
  (await readdir(member)).filter((name) => /^store-\d+$/.test(name));

/**
 * The number of the last start; 0: there was none.
 *
 * @throws StartError if it cannot be read, or is gone: starting at 1 again would be fatal quietly, as all members would
 * skip what this one proposes, as repeats
 */
export const readIncarnation = async (member: string): Promise<number> => {
  const path = join(member, "incarnation");
  const text = await readIfThere(path);
  if (text === undefined) {
    if (await wasStarted(member))
      throw new StartError(`${path} is missing, though this member has been started before`);
    return 0;
  }
  const last = Number(text);
  if (!/^\d+\n$/.test(text) || !Number.isSafeInteger(last)) throw new StartError(`${path} is damaged: not a number`);
  return last;
};

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

/** None, if there is no such directory. */
const namesIn = async (directory: string): Promise<string[]> => {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
};

/** Looks before anything is created: what is not ours stays untouched. */
export const refuseForeign = async (member: string): Promise<void> => {
  const names = await namesIn(member);
  if (names.includes("snap"))
    throw new StartError(
      `${member} holds the data of a real etcd, which minietcd cannot read: choose another --data-dir`,
    );
  const ours = /^(format\.json(\.tmp)?|lock|incarnation(\.tmp)?|wal|store-\d+|store-current(\.tmp)?)$/;
  const foreign = names.find((name) => !ours.test(name));
  if (foreign !== undefined)
    throw new StartError(`${join(member, foreign)} is not a file of minietcd: choose another --data-dir`);
};

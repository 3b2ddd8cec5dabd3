// The directories in which LevelDB keeps a store. After an error during a write LevelDB refuses all writes until it is opened
// again, and it cannot be closed while a snapshot of it is read. Therefore its files are transferred to another directory, where a
// second LevelDB is opened while the first one is still read:
//
//   store-1/               LevelDB's files until it is opened again
//   store-1/reopened-2/    LevelDB's files after it was opened again for the second time; complete if it has this name
//   store-1/partial/       an incomplete transfer

import { copyFile, link, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "../../platform/index.js";

const prefix = "reopened-";
const partial = "partial";

/** Returns the directory with LevelDB's files: `root`, or a directory in it. */
export const levelDirectory = async (root: string): Promise<string> => {
  const last = findLastNumber(await listNames(root));
  return last === 0 ? root : join(root, `${prefix}${last}`);
};

/** Removes LevelDB's other directories below `root`. */
export const removeFormerDirectories = async (root: string): Promise<void> => {
  const names = await listNames(root);
  const last = findLastNumber(names);
  const isFormer = (name: string): boolean => (last === 0 ? name === partial : name !== `${prefix}${last}`);
  for (const name of names.filter(isFormer)) await rm(join(root, name), { recursive: true, force: true });
};

/**
 * Transfers the files of an open LevelDB that takes no more writes to a new directory, which is the one in use when this resolves.
 * Tables never change, so they are linked; files that LevelDB may still write or remove are copied.
 *
 * LevelDB's own background work may continue, so the order matters: logs first, as a later manifest tells which logs are not needed;
 * tables last. If LevelDB removes a needed table meanwhile, `check` fails, because LevelDB does not open the directory.
 *
 * @param check opens and closes the new directory before it is the one in use
 * @throws the error of `check`, or of a file operation; the directory in use is then the same as before
 */
export const takeOverDirectory = async (root: string, check: (directory: string) => Promise<void>): Promise<void> => {
  const from = await levelDirectory(root);
  const to = join(root, partial);
  await rm(to, { recursive: true, force: true });
  await mkdir(to, { mode: 0o700 });
  const takeOver = async (
    isWanted: (name: string) => boolean,
    take: (from: string, to: string) => Promise<void>,
  ): Promise<void> => {
    for (const name of (await readdir(from)).filter(isWanted))
      await take(join(from, name), join(to, name)).catch(ignoreMissing);
  };
  await takeOver((name) => name.endsWith(".log"), copySynced);
  await takeOver((name) => name === "CURRENT" || name.startsWith("MANIFEST-"), copySynced);
  await takeOver((name) => name.endsWith(".ldb"), link);
  await syncNames(to);
  await check(to);
  await rename(to, join(root, `${prefix}${findLastNumber(await listNames(root)) + 1}`));
  await syncNames(root);
};

const copySynced = async (from: string, to: string): Promise<void> => {
  await copyFile(from, to);
  await sync(to);
};

/** Ignores the error for a file that LevelDB has removed since it was listed. */
const ignoreMissing = (error: unknown): void => {
  if (errorCode(error) !== "ENOENT") throw error;
};

/** Returns the greatest number of a `reopened-` directory; 0 if there is none. */
const findLastNumber = (names: readonly string[]): number =>
  Math.max(0, ...names.filter((name) => name.startsWith(prefix)).map((name) => Number(name.slice(prefix.length))));

/** Lists the names in a directory; none if it does not exist. */
export const listNames = async (directory: string): Promise<readonly string[]> => {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
};

const sync = async (path: string): Promise<void> => {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
};

/** Makes the names in a directory durable. Not possible on Windows: there a power cut may lose names. */
const syncNames = async (directory: string): Promise<void> => {
  if (process.platform !== "win32") await sync(directory);
};

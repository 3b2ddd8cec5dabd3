// The directories in which LevelDB keeps a store. Once LevelDB has met an error while it wrote, it takes no write any more until
// it is opened again, and it cannot be closed for that while someone reads an instant of it. So its files are taken over into
// another directory, where it is opened beside the one that is still read:
//
//   store-1/               LevelDB's files, as long as it was never opened again
//   store-1/reopened-2/    LevelDB's files since it was opened again for the second time: whole, or under another name
//   store-1/partial/       a taking over that was cut short

import { copyFile, link, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "../../platform/index.js";

const prefix = "reopened-";
const partial = "partial";

/** Returns the directory below `root`, or `root` itself, that has LevelDB's files. */
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
 * Takes over the files of a LevelDB that is open, and not written any more, into the next directory; that is the one in use when
 * this resolves. Tables are the same files under another name; what LevelDB goes on to write, or removes, is copied.
 *
 * LevelDB may still be at work on its own, so the order counts: logs first, as the manifest says which of them are not needed
 * any more; tables last. A table that is gone by then is missed when LevelDB opens the directory, which `check` does.
 *
 * @param check opens and closes the directory before it is the one in use
 * @throws what it throws, or a copy; then the directory in use is the same as before
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

/** Lets pass that LevelDB has removed a file since it was listed. */
const ignoreMissing = (error: unknown): void => {
  if (errorCode(error) !== "ENOENT") throw error;
};

/** The number of the last directory that was taken over; 0: there is none. */
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

/** Makes the names in a directory survive a power cut. Windows cannot: the promise about power cuts is not made there. */
const syncNames = async (directory: string): Promise<void> => {
  if (process.platform !== "win32") await sync(directory);
};

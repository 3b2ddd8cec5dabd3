// Operations on the data directories of stopped members.

import { join, resolve } from "node:path";
import { DirectoryFiles } from "./directory-files.js";
import { asStartError, StartError } from "../base/index.js";
import {
  type DirectoryLock,
  errorCode,
  machineDisk,
  type MemberDisk,
  ensureDirectory,
  toPromise,
} from "../../platform/index.js";

/**
 * Creates a folder, and locks it for this process until the lock is closed or the process ends.
 *
 * @throws StartError if another process holds it, or it cannot be written
 */
export const lockFolder = async (folder: string, disk: MemberDisk = machineDisk): Promise<DirectoryLock> => {
  try {
    await ensureDirectory(disk, folder);
    return await disk.lock(join(resolve(folder), "lock"));
  } catch (error) {
    if (errorCode(error) !== "ELOCKED") throw asStartError(error, folder);
    throw new StartError(`${folder} is in use by another process: stop it, or choose another --data-dir`);
  }
};

/** Whether a member runs on this directory. */
export const isInUse = async (dataDir: string, disk: MemberDisk = machineDisk): Promise<boolean> => {
  const files = new DirectoryFiles(disk, dataDir);
  if (!(await files.listNames()).includes("lock")) return false;
  try {
    await (await disk.lock(files.pathOf("lock"))).close();
    return false;
  } catch (error) {
    return errorCode(error) === "ELOCKED";
  }
};

/**
 * Removes all data of stopped members: after that, each starts as a new one. All directories are checked and locked before any
 * file is removed; a missing directory is no error.
 *
 * @throws StartError if a directory is in use, or has files that are not a member's
 */
export const clearDataDirectories = async (
  dataDirs: readonly string[],
  disk: MemberDisk = machineDisk,
): Promise<void> => {
  const locked: { readonly files: DirectoryFiles; readonly lock: DirectoryLock }[] = [];
  try {
    for (const dataDir of dataDirs) {
      const files = new DirectoryFiles(disk, dataDir);
      try {
        await files.refuseAllButMember();
        if ((await files.listNames()).length > 0) locked.push({ files, lock: await files.lock() });
      } catch (error) {
        throw asStartError(error, dataDir);
      }
    }
    // The lock's file remains: a waiting process must not get another one.
    for (const { files } of locked)
      for (const name of await files.listNames())
        if (name !== "lock") await toPromise((done) => disk.removeTree(files.pathOf(name), done));
  } finally {
    for (const { lock } of locked) await lock.close();
  }
};

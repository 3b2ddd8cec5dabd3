// The disk as a member's data directory needs it: the operations of the log, and those on whole directories.

import { rm } from "node:fs";
import { Level } from "level";
import { nodeDisk, toPromise, unsyncedNodeDisk, type Disk, type DiskDone } from "./disk.js";
import { causeOf, errorCode } from "./error-codes.js";

/** A lock on a directory, held until it is closed or the process ends, also by kill -9. */
export interface DirectoryLock {
  close(): Promise<void>;
}

/** The file operations of a member. */
export interface MemberDisk extends Disk {
  /** Removes a file, or a directory with everything in it; does nothing if it does not exist. */
  removeTree(path: string, done: DiskDone): void;
  /** Locks a directory, which is created if it does not exist. Rejects with the code ELOCKED while the lock is held. */
  lock(directory: string): Promise<DirectoryLock>;
}

/** Locks with an open, empty `level` database, as Node has no flock: a second process cannot open it, and kill -9 releases it. */
const lock = async (directory: string): Promise<DirectoryLock> => {
  // Created here, as LevelDB reports a read-only file system as a missing directory.
  await toPromise((done) => nodeDisk.makeDirectory(directory, done));
  const level = new Level(directory);
  try {
    await level.open();
    return level;
  } catch (error) {
    if (errorCode(causeOf(error)) !== "LEVEL_LOCKED" && errorCode(error) !== "LEVEL_LOCKED") throw error;
    throw Object.assign(new Error(`${directory} is locked`, { cause: error }), { code: "ELOCKED" });
  }
};

const memberDiskOf = (disk: Disk): MemberDisk => ({
  ...disk,
  removeTree: (path, done) => rm(path, { recursive: true, force: true }, done),
  lock,
});

/** The disk of the machine. */
export const machineDisk: MemberDisk = memberDiskOf(nodeDisk);

/** The same without any sync: written data survives the end of the process, but not a power cut or a system crash. */
export const unsyncedMachineDisk: MemberDisk = memberDiskOf(unsyncedNodeDisk);

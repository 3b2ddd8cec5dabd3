// The disk, as a member's directory needs it: what the log needs, and what is done with whole directories.

import { rm } from "node:fs";
import { Level } from "level";
import { nodeDisk, toPromise, unsyncedNodeDisk, type Disk, type DiskDone } from "./disk.js";
import { causeOf, errorCode } from "./error-codes.js";

/** Held until it is closed or the process ends, however that ends. */
export interface DirectoryLock {
  close(): Promise<void>;
}

export interface MemberDisk extends Disk {
  /** Removes a file, or a directory with all that is in it; nothing to do if it is not there. */
  removeTree(path: string, done: DiskDone): void;
  /** Fails with the code ELOCKED while anybody else holds it. Creates what it needs to be held. */
  lock(directory: string): Promise<DirectoryLock>;
}

/** Node has no flock: an empty `level` database held open refuses a second process and is free after a kill -9. */
const lock = async (directory: string): Promise<DirectoryLock> => {
  // By ourselves: LevelDB's own attempt tells of a read-only file system that something is missing.
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

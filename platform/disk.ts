// The disk, as the log needs it. Callbacks, not promises: a simulator can then run a member in virtual time, step by step.
import fs from "node:fs";
import path from "node:path";
import { errorCode } from "./error-codes.js";

/** Never called before the function that takes it has returned. */
export type DiskDone = (error: Error | null) => void;
/** `value` is there if there is no error. */
export type DiskResult<T> = (error: Error | null, value?: T) => void;

export interface DiskFile {
  /** Writes all of `bytes`, which stay unchanged until `done`: then they, and the file's length, survive a power cut. */
  write(bytes: Uint8Array, position: number, done: DiskDone): void;
  size(done: DiskResult<number>): void;
  /** Fewer bytes than `length` only where the file ends. */
  read(position: number, length: number, done: DiskResult<Uint8Array>): void;
  close(done: DiskDone): void;
}

export type OpenMode = "new" | "existing" | "reading";

export interface Disk {
  /**
   * `new`: for reading and writing, emptied if it exists, readable by the owner alone. `existing`: the same, as it is.
   * `reading`: as it is, also where nothing may be written.
   */
  open(file: string, how: OpenMode, done: DiskResult<DiskFile>): void;
  /** Names, in any order, without the directory. */
  list(directory: string, done: DiskResult<readonly string[]>): void;
  rename(from: string, to: string, done: DiskDone): void;
  remove(file: string, done: DiskDone): void;
  /** Makes the names in `directory` survive a power cut: files created, renamed, removed. */
  syncDirectory(directory: string, done: DiskDone): void;
  /** Measures the bytes that may still be written to the file system of `directory`; absent: unknown. */
  freeBytes?(directory: string, done: DiskResult<number>): void;
  /** Creates a directory, for the owner alone, in one that exists; nothing to do if it is there. `ensureDirectory` makes it last. */
  makeDirectory(directory: string, done: DiskDone): void;
}

/** Returns a promise of what `start` is told: for opening and closing, which happen rarely. */
export const toPromise = <T = void>(start: (done: DiskResult<T>) => void): Promise<T> =>
  new Promise((resolve, reject) =>
    start((error, value) => {
      if (error === null) resolve(value as T);
      else reject(error);
    }),
  );

/**
 * Creates `directory`, and the parents it lacks, so that a power cut leaves it where it is. Each is made only when the name of
 * the one above is durable: however often this is killed on its way, what was begun is gone on with, and nothing can be lost.
 */
export const ensureDirectory = async (disk: Disk, directory: string): Promise<void> => {
  const target = path.resolve(directory);
  const parent = path.dirname(target);
  const syncName = (): Promise<void> => toPromise((done) => disk.syncDirectory(parent, done));
  if (await isThere(disk, target)) {
    // Made by a process that was killed before this, perhaps. Where we may not read, it was somebody else's.
    await syncName().catch(ignoreCodes("EACCES", "EPERM"));
  } else {
    await ensureDirectory(disk, parent);
    await toPromise((done) => disk.makeDirectory(target, done));
    await syncName();
  }
};

const isThere = async (disk: Disk, directory: string): Promise<boolean> => {
  const listed = toPromise<readonly string[]>((done) => disk.list(directory, done));
  return (await listed.catch(ignoreCodes("ENOENT"))) !== undefined;
};

/** Lets pass what was expected. */
const ignoreCodes =
  (...expected: readonly string[]) =>
  (error: unknown): undefined => {
    if (expected.includes(errorCode(error) ?? "")) return;
    throw error;
  };

/**
 * A flag for `open`: on Linux, a write to a file opened with it ends when it is durable: one trip to the thread pool instead of two, a tenth to a
 * fifth less time per batch than with `fdatasync`. On macOS the flag does not reach the drive, `fdatasync` does.
 */
const syncedWrites = process.platform === "linux" ? fs.constants.O_DSYNC : 0;

class NodeFile implements DiskFile {
  /** @param isSynced whether each write must be synced after it */
  constructor(
    private readonly descriptor: number,
    private readonly isSynced: boolean,
  ) {}

  write(bytes: Uint8Array, position: number, done: DiskDone): void {
    fs.write(this.descriptor, bytes, 0, bytes.length, position, (error, written) => {
      if (error !== null) done(error);
      else if (written === 0) done(new Error("nothing was written"));
      // A signal or a nearly full disk can end a write early; the rest then succeeds, or says why not.
      else if (written < bytes.length) this.write(bytes.subarray(written), position + written, done);
      else if (this.isSynced) fs.fdatasync(this.descriptor, done);
      else done(null);
    });
  }

  size(done: DiskResult<number>): void {
    fs.fstat(this.descriptor, (error, stats) => done(error, error === null ? stats.size : undefined));
  }

  read(position: number, length: number, done: DiskResult<Uint8Array>): void {
    const bytes = new Uint8Array(length);
    const readFrom = (filled: number): void =>
      fs.read(this.descriptor, bytes, filled, length - filled, position + filled, (error, count) => {
        const end = filled + count;
        if (error !== null) done(error);
        else if (count === 0 || end === length) done(null, bytes.subarray(0, end));
        else readFrom(end);
      });
    readFrom(0);
  }

  close(done: DiskDone): void {
    fs.close(this.descriptor, done);
  }
}

const syncDirectory = (directory: string, done: DiskDone): void => {
  fs.open(directory, "r", (openError, descriptor) => {
    if (openError !== null) done(openError);
    else fs.fsync(descriptor, (syncError) => fs.close(descriptor, (closeError) => done(syncError ?? closeError)));
  });
};

const { O_RDONLY, O_RDWR, O_CREAT, O_TRUNC } = fs.constants;

/** @param syncFlag a flag that makes each write durable by itself, if the system has one; undefined: writes are not synced */
const diskOf = (syncFlag: number | undefined): Disk => {
  const flag = syncFlag ?? 0;
  const openFlags = {
    new: O_RDWR | flag | O_CREAT | O_TRUNC,
    existing: O_RDWR | flag,
    reading: O_RDONLY,
  } satisfies Record<OpenMode, number>;
  // Windows cannot open a directory for syncing; there the promise about power cuts is not made.
  const syncsNames = syncFlag !== undefined && process.platform !== "win32";
  return {
    open: (file, how, done) => {
      fs.open(file, openFlags[how], 0o600, (error, descriptor) =>
        done(error, error === null ? new NodeFile(descriptor, syncFlag === 0) : undefined),
      );
    },
    list: (directory, done) => fs.readdir(directory, done),
    rename: (from, to, done) => fs.rename(from, to, done),
    remove: (file, done) => fs.unlink(file, done),
    syncDirectory: syncsNames ? syncDirectory : (_, done) => void setImmediate(done, null),
    freeBytes: (directory, done) =>
      fs.statfs(directory, (error, stats) => done(error, error === null ? stats.bavail * stats.bsize : undefined)),
    makeDirectory: (directory, done) => {
      fs.mkdir(directory, { mode: 0o700 }, (error) => done(error?.code === "EEXIST" ? null : error));
    },
  };
};

/** The machine's own disk. */
export const nodeDisk: Disk = diskOf(syncedWrites);

/** The same without any sync: a power cut or a system crash may lose any part of the written data. */
export const unsyncedNodeDisk: Disk = diskOf(undefined);

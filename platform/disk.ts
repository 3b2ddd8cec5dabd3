// The disk, as the log needs it. Callbacks, not promises: a simulator can then run a member in virtual time, step by step.
import fs from "node:fs";
import path from "node:path";
import { errorCode } from "./error-codes.js";

/** Called once an operation has ended, never before the function that starts it has returned. */
export type DiskDone = (error: Error | null) => void;
/** The same, with the result of the operation if there is no error. */
export type DiskResult<T> = (error: Error | null, value?: T) => void;

/** An open file. */
export interface DiskFile {
  /** Writes all of `bytes`, which must not change until `done`. The bytes, and the file's length, then survive a power cut. */
  write(bytes: Uint8Array, position: number, done: DiskDone): void;
  size(done: DiskResult<number>): void;
  /** Reads `length` bytes; fewer only at the end of the file. */
  read(position: number, length: number, done: DiskResult<Uint8Array>): void;
  close(done: DiskDone): void;
}

/** The modes of `Disk.open`. */
export type OpenMode = "new" | "existing" | "reading";

/** The file operations of a write-ahead log. */
export interface Disk {
  /**
   * Opens a file. `new`: for reading and writing, emptied if it exists, readable by the owner alone. `existing`: for reading and
   * writing, with its content. `reading`: for reading, also on a read-only file system.
   */
  open(file: string, how: OpenMode, done: DiskResult<DiskFile>): void;
  /** Lists the names in a directory, in any order, without the directory's path. */
  list(directory: string, done: DiskResult<readonly string[]>): void;
  rename(from: string, to: string, done: DiskDone): void;
  remove(file: string, done: DiskDone): void;
  /** Makes the names in `directory` survive a power cut: files created, renamed, removed. */
  syncDirectory(directory: string, done: DiskDone): void;
  /** Returns the free bytes of the file system of `directory`; absent if they are not known. */
  freeBytes?(directory: string, done: DiskResult<number>): void;
  /** Creates a directory, for the owner alone, in an existing one; does nothing if it exists. `ensureDirectory` also makes it durable. */
  makeDirectory(directory: string, done: DiskDone): void;
}

/** Returns a promise of the result of the operation that `start` starts. Hot paths use the callbacks. */
export const toPromise = <T = void>(start: (done: DiskResult<T>) => void): Promise<T> =>
  new Promise((resolve, reject) =>
    start((error, value) => {
      if (error === null) resolve(value as T);
      else reject(error);
    }),
  );

/**
 * Creates `directory` and its missing parents, so that all of them survive a power cut. Each is created only once the name of its
 * parent is durable, so a process that is killed meanwhile leaves a state with which the next call continues.
 */
export const ensureDirectory = async (disk: Disk, directory: string): Promise<void> => {
  const target = path.resolve(directory);
  const parent = path.dirname(target);
  const syncName = (): Promise<void> => toPromise((done) => disk.syncDirectory(parent, done));
  if (await isThere(disk, target)) {
    // Perhaps created by a process that was killed before the sync. A parent that this process may not read was created by another user.
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

/** Returns a handler for `catch` that ignores errors with these codes and rethrows all others. */
const ignoreCodes =
  (...expected: readonly string[]) =>
  (error: unknown): undefined => {
    if (expected.includes(errorCode(error) ?? "")) return;
    throw error;
  };

/**
 * A flag for `open`: on Linux, a write to a file opened with it ends when it is durable: one task of the thread pool instead of two, which
 * takes 10 to 20 % less time per batch than `fdatasync`. The flag does not flush the drive's cache on macOS, `fdatasync` does.
 */
const syncedWrites = process.platform === "linux" ? fs.constants.O_DSYNC : 0;

class NodeFile implements DiskFile {
  /** @param isSynced whether `fdatasync` must follow each write */
  constructor(
    private readonly descriptor: number,
    private readonly isSynced: boolean,
  ) {}

  write(bytes: Uint8Array, position: number, done: DiskDone): void {
    fs.write(this.descriptor, bytes, 0, bytes.length, position, (error, written) => {
      if (error !== null) done(error);
      else if (written === 0) done(new Error("nothing was written"));
      // A signal or a nearly full disk can end a write early; the write of the remaining bytes then succeeds or fails with the reason.
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

/** @param syncFlag a flag of `open` that makes each write durable, 0 if the system has none; undefined: writes are not synced */
const diskOf = (syncFlag: number | undefined): Disk => {
  const flag = syncFlag ?? 0;
  const openFlags = {
    new: O_RDWR | flag | O_CREAT | O_TRUNC,
    existing: O_RDWR | flag,
    reading: O_RDONLY,
  } satisfies Record<OpenMode, number>;
  // Windows cannot open a directory for syncing: there a power cut may lose names.
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

// A member's disk with injected faults, in memory or on the machine. It outlives the member's processes.

import {
  type DirectoryLock,
  type DiskDone,
  type DiskFile,
  type DiskResult,
  type MemberDisk,
  type OpenMode,
  toPromise,
} from "../../../platform/index.js";
import type { SimProcess, Timeline } from "../../index.js";

const noSpaceError = (file: string): Error =>
  Object.assign(new Error(`ENOSPC: no space left on device, write '${file}'`), { code: "ENOSPC" });

/** A write that is delayed. */
interface SlowWrite {
  readonly begin: () => void;
  isLost: boolean;
}

/** The disk of one member's processes. */
export class FaultDisk {
  /**
   * Whether the disk is full: no file can grow or be created; existing bytes, such as the segments of a log, can still be
   * overwritten.
   */
  isFull = false;
  /** Additional time of each write, in milliseconds. */
  syncDelayMs = 0;
  private readonly slow = new Set<SlowWrite>();
  /** The files and locks of the real disk that the current process has open. */
  private readonly held = new Set<{ close(): void }>();

  constructor(
    private readonly inner: MemberDisk,
    private readonly timeline: Timeline,
    /** Called when a tree of files has been removed. */
    private readonly onTreeRemoved: (path: string) => void,
  ) {}

  /** Returns the disk for one process: after the death of the process, it gets no results and its operations have no effect. */
  boot(process: SimProcess): MemberDisk {
    return new FaultyBootedDisk(this, this.inner, process);
  }

  /** Cleans up after a dead process. Its writes in flight are completed, unless `loseUnsynced`. */
  cleanUp({ loseUnsynced }: { readonly loseUnsynced: boolean }): void {
    for (const write of this.slow) {
      write.isLost = loseUnsynced;
      if (!loseUnsynced) write.begin();
    }
    this.slow.clear();
    for (const each of this.held) each.close();
    this.held.clear();
  }

  /** Removes files while no process runs. */
  removeTree(path: string): Promise<void> {
    return toPromise((done) => this.inner.removeTree(path, done));
  }

  /** Writes after the current delay. */
  write(file: DiskFile, { bytes, position, path }: WriteOf, done: DiskDone): void {
    const begin = (): void => {
      if (!this.isFull) file.write(bytes, position, done);
      else
        file.size((error, size = 0) => {
          if (error !== null) done(error);
          else if (position + bytes.length > size) done(noSpaceError(path));
          else file.write(bytes, position, done);
        });
    };
    if (this.syncDelayMs === 0) {
      begin();
      return;
    }
    const write: SlowWrite = { begin, isLost: false };
    this.slow.add(write);
    this.timeline.after(this.syncDelayMs, () => {
      if (this.slow.delete(write) && !write.isLost) begin();
    });
  }

  hold(open: { close(): void }): () => void {
    this.held.add(open);
    return () => void this.held.delete(open);
  }

  afterTreeRemoved(path: string): void {
    this.onTreeRemoved(path);
  }
}

/** A write, and the path of its file for messages. */
interface WriteOf {
  readonly bytes: Uint8Array;
  readonly position: number;
  readonly path: string;
}

class FaultyBootedDisk implements MemberDisk {
  constructor(
    private readonly disk: FaultDisk,
    private readonly inner: MemberDisk,
    private readonly process: SimProcess,
  ) {}

  open(path: string, how: OpenMode, done: DiskResult<DiskFile>): void {
    if (this.disk.isFull && how === "new") this.fail(noSpaceError(path), done);
    else
      this.beginOperation<DiskFile>(
        (onDone) => this.inner.open(path, how, onDone),
        (error, file) => {
          if (error !== null || file === undefined) done(error);
          else done(null, new BootedFile(this.disk, file, path, this.process));
        },
      );
  }

  list(directory: string, done: DiskResult<readonly string[]>): void {
    this.beginOperation((onDone) => this.inner.list(directory, onDone), done);
  }

  rename(from: string, to: string, done: DiskDone): void {
    this.beginOperation((onDone) => this.inner.rename(from, to, onDone), done);
  }

  remove(path: string, done: DiskDone): void {
    this.beginOperation((onDone) => this.inner.remove(path, onDone), done);
  }

  removeTree(path: string, done: DiskDone): void {
    this.disk.afterTreeRemoved(path);
    this.beginOperation((onDone) => this.inner.removeTree(path, onDone), done);
  }

  syncDirectory(directory: string, done: DiskDone): void {
    this.beginOperation((onDone) => this.inner.syncDirectory(directory, onDone), done);
  }

  freeBytes(directory: string, done: DiskResult<number>): void {
    const { inner } = this;
    if (this.disk.isFull || inner.freeBytes === undefined)
      queueMicrotask(() => this.process.receive(() => done(null, this.disk.isFull ? 0 : Infinity)));
    else this.beginOperation<number>((onDone) => inner.freeBytes?.(directory, onDone), done);
  }

  makeDirectory(directory: string, done: DiskDone): void {
    this.beginOperation((onDone) => this.inner.makeDirectory(directory, onDone), done);
  }

  async lock(directory: string): Promise<DirectoryLock> {
    const lock = await this.inner.lock(directory);
    const release = this.disk.hold({ close: () => void lock.close() });
    return {
      close: () => {
        release();
        return lock.close();
      },
    };
  }

  private fail<T>(error: Error, done: DiskResult<T>): void {
    queueMicrotask(() => this.process.receive(() => done(error)));
  }

  private beginOperation<T>(start: (onDone: DiskResult<T>) => void, done: DiskResult<T> | DiskDone): void {
    const { process } = this;
    if (process.isAlive) start((error, value) => process.receive(() => (done as DiskResult<T>)(error, value)));
  }
}

class BootedFile implements DiskFile {
  private readonly release: () => void;

  constructor(
    private readonly disk: FaultDisk,
    private readonly inner: DiskFile,
    private readonly path: string,
    private readonly process: SimProcess,
  ) {
    this.release = disk.hold({ close: () => inner.close(() => undefined) });
  }

  write(bytes: Uint8Array, position: number, done: DiskDone): void {
    const { process, path } = this;
    if (!process.isAlive) return;
    this.disk.write(this.inner, { bytes, position, path }, (error) => process.receive(() => done(error)));
  }

  size(done: DiskResult<number>): void {
    const { process } = this;
    if (process.isAlive) this.inner.size((error, size) => process.receive(() => done(error, size)));
  }

  read(position: number, length: number, done: DiskResult<Uint8Array>): void {
    const { process } = this;
    if (process.isAlive) this.inner.read(position, length, (error, bytes) => process.receive(() => done(error, bytes)));
  }

  close(done: DiskDone): void {
    const { process } = this;
    if (!process.isAlive) return;
    this.release();
    this.inner.close((error) => process.receive(() => done(error)));
  }
}

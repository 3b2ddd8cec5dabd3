import path from "node:path";
import type { Disk, DiskFile } from "../../platform/index.js";
import { shortageOf, type Shortage } from "./errors.js";
import { nextSegmentName } from "./segment.js";

/** The bytes written at a time: an append waits for at most one such write. */
const sliceBytes = 1024 * 1024;
const zeros = new Uint8Array(sliceBytes);

/** The bytes written at a time while an append waits for the file: each write that extends a file is a commit of the file system's journal. */
const urgentSliceBytes = 16 * 1024 * 1024;

/** The least size of a file for which an append waits: after a smaller one the next append would soon wait again. */
const leastUrgentBytes = 4 * 1024 * 1024;

/** The options of `NextSegment`. */
export interface NextSegmentOptions {
  readonly disk: Disk;
  readonly directory: string;
  /** The size of the file, a multiple of a sector. */
  readonly segmentBytes: number;
  /** The size of the first file; absent: `segmentBytes`, as for all others. */
  readonly firstBytes?: number;
  /** The free space to leave on the disk: with less, no segment is created. */
  readonly reserveBytes: number;
}

/** The log that a next segment is made for; `Wal` implements it. */
export interface SegmentedLog {
  /** Handles the beginning or end of a shortage of space or file descriptors. */
  onShortageChanged(full: boolean, shortage: Shortage): void;
  /** Fails the log: the disk has failed for a reason other than a shortage. */
  fail(operation: string, file: string, cause: Error): void;
}

/** A file of zeros on disk that will become a segment. */
export interface PreparedFile {
  readonly file: DiskFile;
  readonly path: string;
  readonly bytes: number;
}

type Taker = (prepared: PreparedFile) => void;

/**
 * Creates the file of the next segment while the current one is being filled. The file is written with zeros, so that an
 * append changes no file length and allocates no blocks.
 *
 * A shortage of space or file descriptors is not a failure: the file is kept as far as it is filled, and `retry` continues.
 */
export class NextSegment {
  /** Tells whether the last attempt ended with a shortage. */
  isFull = false;
  private shortage: Shortage = "space";
  private readonly path: string;
  private isWanted = false;
  private file: DiskFile | undefined;
  private filled = 0;
  private target: number;
  private isBusy = false;
  private isStalled = false;
  private taker: Taker | undefined;
  private onIdle: (() => void) | undefined;
  private isClosed = false;

  constructor(
    private readonly options: NextSegmentOptions,
    private readonly log: SegmentedLog,
  ) {
    this.path = path.join(options.directory, nextSegmentName);
    this.target = options.firstBytes ?? options.segmentBytes;
  }

  /** Starts creating the file, unless it has started. */
  prepare(): void {
    this.isWanted = true;
    this.advance();
  }

  /**
   * Calls `taker` with a file of at least `bytes`, perhaps synchronously; during a shortage the call waits. A file that is still being
   * filled ends early, at its present length, `bytes` or 4 MiB, whichever is greatest: a log that grows as fast as the disk writes
   * does not wait for the zeros of a whole segment.
   */
  requestFile(bytes: number, taker: Taker): void {
    this.target = Math.max(this.filled, bytes, Math.min(this.target, leastUrgentBytes));
    this.taker = taker;
    this.prepare();
  }

  /** Continues after a shortage. */
  retry(): void {
    this.isStalled = false;
    this.advance();
  }

  /** Ends the work, dropping a waiting taker. */
  close(done: () => void): void {
    this.isClosed = true;
    this.taker = undefined;
    const release = (): void => {
      const { file } = this;
      this.file = undefined;
      if (file === undefined) done();
      else file.close(() => done()); // the file is not used any more, so a failure to close it does not matter
    };
    if (this.isBusy) this.onIdle = release;
    else release();
  }

  /** Starts the next step; each step calls this again when it is done. */
  private advance(): void {
    if (this.isBusy || this.isStalled || this.isClosed || !this.isWanted) return;
    if (this.file === undefined) this.checkFreeSpace();
    else if (this.filled < this.target) this.fillFile(this.file);
    else this.deliverFile(this.file);
  }

  /** Checks the free space before creating the file: its zeros would use the space that the store needs. */
  private checkFreeSpace(): void {
    const { disk, directory, reserveBytes } = this.options;
    this.isBusy = true;
    if (reserveBytes === 0 || disk.freeBytes === undefined) this.createFile();
    else
      disk.freeBytes(directory, (error, free = 0) => {
        if (this.isClosed || error !== null) this.onStepDone("read the free space for", error);
        else if (free < this.target + reserveBytes) this.onStepDone("create", createNoSpaceError());
        else this.createFile();
      });
  }

  private createFile(): void {
    this.options.disk.open(this.path, "new", (error, file) => {
      this.file = file;
      this.onStepDone("create", error);
    });
  }

  private fillFile(file: DiskFile): void {
    this.isBusy = true;
    const slice = this.nextZeros(this.target - this.filled);
    file.write(slice, this.filled, (error) => {
      if (error === null) this.filled += slice.length;
      this.onStepDone("write", error);
    });
  }

  private nextZeros(left: number): Uint8Array {
    if (this.taker === undefined || left <= sliceBytes) return zeros.subarray(0, Math.min(sliceBytes, left));
    return new Uint8Array(Math.min(urgentSliceBytes, left));
  }

  private deliverFile(file: DiskFile): void {
    this.setFull(false);
    const { taker, filled } = this;
    if (taker === undefined) return;
    this.taker = undefined;
    this.isWanted = false;
    this.file = undefined;
    this.filled = 0;
    this.target = this.options.segmentBytes;
    taker({ file, path: this.path, bytes: filled });
  }

  private onStepDone(operation: string, error: Error | null): void {
    this.isBusy = false;
    if (this.isClosed) {
      this.onIdle?.();
    } else if (error === null) {
      this.advance();
    } else {
      this.isStalled = true;
      const shortage = shortageOf(error);
      if (shortage !== undefined) this.setFull(true, shortage);
      else this.log.fail(operation, this.path, error);
    }
  }

  private setFull(full: boolean, shortage = this.shortage): void {
    this.shortage = shortage;
    if (this.isFull === full) return;
    this.isFull = full;
    this.log.onShortageChanged(full, shortage);
  }
}

const createNoSpaceError = (): Error =>
  Object.assign(new Error("no space left on device except the reserve"), { code: "ENOSPC" });

import path from "node:path";
import type { Disk, DiskFile } from "../../platform/index.js";
import { shortageOf, type Shortage } from "./errors.js";
import { nextSegmentName } from "./segment.js";

/** Filled this much at a time, so that an append finds little before it on its way to the disk. */
const sliceBytes = 1024 * 1024;
const zeros = new Uint8Array(sliceBytes);

export interface NextSegmentOptions {
  readonly disk: Disk;
  readonly directory: string;
  /** Size of the file, a multiple of a sector. */
  readonly segmentBytes: number;
  /** So much space is left to others: with less, there is none. */
  readonly reserveBytes: number;
  /** There is no space, or no file descriptor, (any more, again) for the next segment. */
  readonly onFull: (full: boolean, shortage: Shortage) => void;
  /** Anything but a shortage. */
  readonly onFailure: (operation: string, file: string, cause: Error) => void;
}

/** A file of zeros, on disk, for the caller to make a segment of. */
export interface PreparedFile {
  readonly file: DiskFile;
  readonly path: string;
  readonly bytes: number;
}

type Taker = (prepared: PreparedFile) => void;

/**
 * Makes the file of the next segment while the present one is being filled: real zeros, so that an append changes no
 * file's length and allocates nothing, and it has only its data to wait for.
 *
 * A lack of space, or of file descriptors, is not a failure: what was filled is kept, and `retry` goes on from there.
 */
export class NextSegment {
  /** Whether the last attempt to prepare it ended for a shortage. */
  isFull = false;
  private shortage: Shortage = "space";
  private readonly path: string;
  private wanted = false;
  private file: DiskFile | undefined;
  private filled = 0;
  private target: number;
  private busy = false;
  private stalled = false;
  private taker: Taker | undefined;
  private onIdle: (() => void) | undefined;
  private closed = false;

  constructor(private readonly options: NextSegmentOptions) {
    this.path = path.join(options.directory, nextSegmentName);
    this.target = options.segmentBytes;
  }

  /** Begins, unless it has begun already. */
  prepare(): void {
    this.wanted = true;
    this.advance();
  }

  /** Calls `taker`, perhaps at once, with a file of at least `bytes`; it does not while there is no space for it. */
  requestFile(bytes: number, taker: Taker): void {
    this.target = Math.max(this.target, bytes);
    this.taker = taker;
    this.prepare();
  }

  /** Tries again what failed for a shortage. */
  retry(): void {
    this.stalled = false;
    this.advance();
  }

  /** Ends the work and drops a taker that still waits. */
  close(done: () => void): void {
    this.closed = true;
    this.taker = undefined;
    const release = (): void => {
      const { file } = this;
      this.file = undefined;
      if (file === undefined) done();
      else file.close(() => done()); // nothing in it is of any use, whether or not closing it succeeds
    };
    if (this.busy) this.onIdle = release;
    else release();
  }

  /** Does the next step that is due; each step ends in another call. */
  private advance(): void {
    if (this.busy || this.stalled || this.closed || !this.wanted) return;
    if (this.file === undefined) this.checkFreeSpace();
    else if (this.filled < this.target) this.fillFile(this.file);
    else this.deliverFile(this.file);
  }

  /** To find out by writing would take the last space from those who cannot wait for it. */
  private checkFreeSpace(): void {
    const { disk, directory, reserveBytes } = this.options;
    this.busy = true;
    if (reserveBytes === 0 || disk.freeBytes === undefined) this.createFile();
    else
      disk.freeBytes(directory, (error, free = 0) => {
        if (this.closed || error !== null) this.onStepDone("look for space for", error);
        else if (free < this.target + reserveBytes) this.onStepDone("create", noSpace());
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
    this.busy = true;
    const slice = zeros.subarray(0, Math.min(sliceBytes, this.target - this.filled));
    file.write(slice, this.filled, (error) => {
      if (error === null) this.filled += slice.length;
      this.onStepDone("write", error);
    });
  }

  private deliverFile(file: DiskFile): void {
    this.setFull(false);
    const { taker, filled } = this;
    if (taker === undefined) return;
    this.taker = undefined;
    this.wanted = false;
    this.file = undefined;
    this.filled = 0;
    this.target = this.options.segmentBytes;
    taker({ file, path: this.path, bytes: filled });
  }

  private onStepDone(operation: string, error: Error | null): void {
    this.busy = false;
    if (this.closed) {
      this.onIdle?.();
    } else if (error === null) {
      this.advance();
    } else {
      this.stalled = true;
      const shortage = shortageOf(error);
      if (shortage !== undefined) this.setFull(true, shortage);
      else this.options.onFailure(operation, this.path, error);
    }
  }

  private setFull(full: boolean, shortage = this.shortage): void {
    this.shortage = shortage;
    if (this.isFull === full) return;
    this.isFull = full;
    this.options.onFull(full, shortage);
  }
}

const noSpace = (): Error => Object.assign(new Error("no space left but the reserve"), { code: "ENOSPC" });

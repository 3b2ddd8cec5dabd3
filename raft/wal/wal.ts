// The write-ahead log: what a member must not forget, on disk before it speaks of it. Raft paper §5.1, figure 2.
import path from "node:path";
import type { Entry, HardState, LogIndex, LogPosition } from "../core/index.js";
import { endAfter, conflictWithEnd, conflictWithRestart, type LogEnd } from "./batch.js";
import { type Disk, type DiskFile, promised } from "../../platform/index.js";
import { shortageOf, WalFailedError, type Shortage } from "./errors.js";
import { NextSegment, type PreparedFile } from "./next-segment.js";
import { OldSegments } from "./old-segments.js";
import { RecordBuffer, type Sealed } from "./record-buffer.js";
import { sectorEnd } from "./record.js";
import type { Recovery } from "./recovery.js";
import type { LogFiles } from "./segment-files.js";
import { firstRecordAt, segmentFileName } from "./segment.js";

/** Beyond this, a batch is refused by throwing: whoever gathers batches bounds them far below. */
const maxBatchBytes = 1024 * 1024 * 1024;

export interface WalOptions {
  readonly disk: Disk;
  /** Created if need be. Nothing else may write to it. */
  readonly directory: string;
  /** A multiple of 512. A larger batch gets a segment of its own size. */
  readonly segmentBytes: number;
  /** Space that is left to others on this disk: with less, there is none for another segment. 0 if absent. */
  readonly reserveBytes?: number;
  /** Called once: a `WalFailedError` after which nothing is durable any more. The member must stop. */
  readonly onFailure: (error: Error) => void;
  /** `Wal.isFull` changed. */
  readonly onFull?: (full: boolean, shortage: Shortage) => void;
  /** A segment that is not needed any more could not be removed: it only costs space, and is tried again with the next. */
  readonly onRemovalFailure?: (error: Error) => void;
}

/** The segment that is being filled. */
interface Current {
  readonly file: DiskFile;
  readonly path: string;
  readonly bytes: number;
  /** Where the next record begins. */
  position: number;
}

interface Opened {
  readonly files: LogFiles;
  readonly recovery: Recovery;
  /** Of the last segment. */
  readonly file: DiskFile | undefined;
}

/** What a new segment begins with, beside what its header takes from the log as it is. */
interface Beginning {
  /** The log before the first record; what is in older segments does not count if it `restarts`. */
  readonly before: LogEnd;
  readonly restarts: boolean;
}

export class Wal {
  private readonly disk: Disk;
  private readonly directory: string;
  private readonly onFailure: (error: Error) => void;
  private readonly onFull: (full: boolean, shortage: Shortage) => void;
  private readonly next: NextSegment;
  private readonly old: OldSegments;
  /** The batch under way. */
  private readonly record = new RecordBuffer();
  private current: Current | undefined;
  private sequence: number;
  private chain: number;
  private end: LogEnd;
  /** Of the append or restart under way. */
  private done: (() => void) | undefined;
  /** Whether that waits for its disk (rather than for space or descriptors). */
  private isWriting = false;
  /** A segment whose name is to be synced as soon as there are file descriptors. */
  private unnamed: { readonly file: DiskFile; readonly sync: () => void } | undefined;
  private onIdle: (() => void) | undefined;
  private failure: Error | undefined;
  private closing: Promise<void> | undefined;

  /** Only for `openWal`. */
  constructor(options: WalOptions, { files, recovery: { end, tail }, file }: Opened) {
    this.disk = options.disk;
    this.directory = options.directory;
    this.onFailure = options.onFailure;
    this.onFull = (full, shortage) => options.onFull?.(full, shortage);
    this.next = new NextSegment({
      disk: options.disk,
      directory: options.directory,
      segmentBytes: options.segmentBytes,
      reserveBytes: options.reserveBytes ?? 0,
      onFull: (full, shortage) => this.onShortageChanged(full, shortage),
      onFailure: (operation, failed, cause) => this.fail(operation, failed, cause),
    });
    this.old = new OldSegments({
      disk: options.disk,
      directory: options.directory,
      files,
      onFailure: (error) => options.onRemovalFailure?.(error),
    });
    this.end = end;
    this.sequence = tail?.sequence ?? 0;
    this.chain = tail?.chain ?? 0;
    if (tail !== undefined && file !== undefined)
      this.current = { file, path: tail.file, bytes: tail.fileBytes, position: tail.position };
    this.prepareIfHalfFull();
  }

  /**
   * There is no space, or no file descriptor, for the next segment. Appends go on while they fit in the present one; the
   * first that does not waits, and neither its `done` nor a failure is reported, until `retryNextSegment` finds some.
   */
  get isFull(): boolean {
    return this.next.isFull || this.unnamed !== undefined;
  }

  /** Index of the last entry appended, durable or on its way; 0 if there is none. */
  get lastIndex(): LogIndex {
    return this.end.lastIndex;
  }

  /**
   * Writes `entries`, which replace the log from the first one's index on, and `hardState` unless it is unchanged, with one
   * synced write. One append at a time: the next may be made from within `done`.
   *
   * @param done called once all of it is durable, never synchronously; never called after a failure
   * @throws Error if another append is under way, after a failure or `close`, or if the batch cannot follow what is
   * there (a gap, a falling term, a second vote, a replaced commit): nothing of it is written
   */
  append(hardState: HardState | undefined, entries: readonly Entry[], done: () => void): void {
    const batch = { hardState, entries };
    const problem = this.reasonToRefuse() ?? conflictWithEnd(this.end, batch) ?? this.old.reasonToRefuse(entries);
    if (problem !== undefined) throw new Error(`Cannot append to the log: ${problem}`, { cause: this.failure });
    const { record, current } = this;
    record.putBatch(batch, current?.position ?? firstRecordAt);
    const bytes = record.endFrom(0);
    if (bytes > maxBatchBytes) throw new RangeError(`Cannot append ${bytes} bytes at once: too many`);
    this.done = done;
    if (current !== undefined && record.endFrom(current.position) <= current.bytes) this.continueSegment(current);
    else this.beginSegment({ before: this.end, restarts: false });
    this.end = endAfter(this.end, batch);
  }

  /**
   * Forgets what the state machine holds durably: segments without an entry after `through` are removed, one after the
   * other, in the background. Whole segments only, and never the last, so the next open finds some that are older.
   */
  truncate(through: LogIndex): void {
    if (this.reasonUnusable() === undefined) this.old.truncate(through);
  }

  /**
   * Begins the log anew, empty, after `base`: the state machine holds everything up to there, durably. A crash leaves
   * either the log as it was or as it is afterwards. Counts as an append: one at a time.
   *
   * @param hardState as it is to be afterwards; its commit index counts as `base.index` if it is less
   * @param done called once that is durable, never synchronously; never called after a failure
   * @throws Error if an append is under way, after a failure or `close`, or if `base` is behind what is committed or of a
   * term still to come, or `hardState` contradicts the one before
   */
  restart(base: LogPosition, hardState: HardState, done: () => void): void {
    const problem = this.reasonToRefuse() ?? conflictWithRestart(this.end, base, hardState);
    if (problem !== undefined) throw new Error(`Cannot restart the log: ${problem}`, { cause: this.failure });
    // Nobody may replace what the state machine holds, so all of it counts as committed.
    const before = { hardState: { ...hardState, commit: base.index }, lastIndex: base.index, lastTerm: base.term };
    this.record.putBatch({ hardState: before.hardState, entries: [] }, firstRecordAt);
    this.done = done;
    this.beginSegment({ before, restarts: true });
    this.end = before;
  }

  /** Tries again to make the next segment, if there was a shortage. Once a second is often enough. */
  retryNextSegment(): void {
    if (this.reasonUnusable() !== undefined) return;
    this.unnamed?.sync();
    this.next.retry();
  }

  /** Waits for a write under way, whose `done` is called first; an append that waits for space is dropped. */
  close(): Promise<void> {
    this.closing ??= this.release();
    return this.closing;
  }

  private async release(): Promise<void> {
    if (this.isWriting) await new Promise<void>((resolve) => (this.onIdle = resolve));
    await new Promise<void>((resolve) => this.next.close(resolve));
    await new Promise<void>((resolve) => this.old.close(resolve));
    const files = [this.current?.file, this.unnamed?.file];
    this.current = undefined;
    this.unnamed = undefined;
    for (const file of files) if (file !== undefined) await promised((done) => file.close(done));
  }

  private reasonUnusable(): string | undefined {
    if (this.failure !== undefined) return "it has failed";
    return this.closing === undefined ? undefined : "it is closed";
  }

  private reasonToRefuse(): string | undefined {
    return this.reasonUnusable() ?? (this.done === undefined ? undefined : "another append is under way");
  }

  private continueSegment(current: Current): void {
    const sealed = this.record.seal(this.chain);
    this.write(current, sealed.bytes, current.position, () => {
      current.position += sealed.length;
      this.onAppended(sealed);
    });
  }

  private beginSegment(beginning: Beginning): void {
    this.record.moveToFront();
    this.next.requestFile(sectorEnd(this.record.endFrom(firstRecordAt)), (file) => this.startSegment(file, beginning));
  }

  private startSegment(prepared: PreparedFile, { before, restarts }: Beginning): void {
    const { file, bytes } = prepared;
    const { hardState, lastIndex, lastTerm: termBefore } = before;
    const name = { sequence: this.sequence + 1, firstIndex: (lastIndex + 1) as LogIndex };
    const finalPath = path.join(this.directory, segmentFileName(name));
    const header = { ...name, hardState, chain: this.chain, fileBytes: bytes, termBefore, restarts };
    const sealed = this.record.sealFirst(header);
    this.write(prepared, sealed.bytes, 0, () =>
      this.renameSegment(prepared, finalPath, () => {
        this.current?.file.close(() => undefined); // all of it was durable long ago: closing it can lose nothing
        this.current = { file, path: finalPath, bytes, position: sealed.length };
        this.sequence = name.sequence;
        this.old.onSegmentBegun({ file: finalPath, header });
        this.onAppended(sealed);
      }),
    );
  }

  /** From here on the segment counts. */
  private renameSegment({ file, path: from }: PreparedFile, to: string, then: () => void): void {
    this.disk.rename(from, to, (renameError) => {
      if (renameError !== null) this.failAppend("rename", from, renameError);
      else this.syncRename(file, then);
    });
  }

  /** Without a descriptor for the directory nothing was synced, so trying again later is as good. */
  private syncRename(file: DiskFile, then: () => void): void {
    this.isWriting = true;
    this.disk.syncDirectory(this.directory, (error) => {
      const wasWaiting = this.unnamed !== undefined;
      if (error === null) {
        this.unnamed = undefined;
        then();
        if (wasWaiting && !this.next.isFull) this.onFull(false, "descriptors");
      } else if (shortageOf(error) === "descriptors") {
        this.isWriting = false;
        const sync = (): void => {
          if (!this.isWriting) this.syncRename(file, then);
        };
        this.unnamed = { file, sync };
        if (!wasWaiting && !this.next.isFull) this.onFull(true, "descriptors");
        this.onIdle?.();
      } else {
        this.failAppend("sync", this.directory, error);
      }
    });
  }

  private onShortageChanged(full: boolean, shortage: Shortage): void {
    if (this.unnamed === undefined) this.onFull(full, shortage);
  }

  private write(
    { file, path }: { readonly file: DiskFile; readonly path: string },
    bytes: Uint8Array,
    position: number,
    then: () => void,
  ): void {
    this.isWriting = true;
    file.write(bytes, position, (error) => {
      if (error === null) then();
      else this.failAppend("write", path, error);
    });
  }

  private onAppended({ checksum }: Sealed): void {
    this.chain = checksum;
    this.isWriting = false;
    this.prepareIfHalfFull();
    const { done } = this;
    this.done = undefined;
    // Preparing the next segment may have failed meanwhile: then the member stops, and says nothing more.
    if (this.failure === undefined) done?.();
    this.onIdle?.();
  }

  /** Half a segment is time enough to fill the next one with zeros, and spares a member that is hardly used the space. */
  private prepareIfHalfFull(): void {
    const { current } = this;
    if (this.closing !== undefined || this.failure !== undefined) return;
    if (current === undefined || current.position >= current.bytes / 2) this.next.prepare();
  }

  /** The append under way has failed: `done` is not called any more. */
  private failAppend(operation: string, file: string, cause: Error): void {
    this.isWriting = false;
    this.fail(operation, file, cause);
    this.onIdle?.();
  }

  private fail(operation: string, file: string, cause: Error): void {
    if (this.failure !== undefined) return;
    this.failure = new WalFailedError(file, operation, cause);
    this.onFailure(this.failure);
  }
}

// The write-ahead log: entries and hard state, durable before any message that depends on them. Raft paper §5.1, figure 2.
import path from "node:path";
import type { Entry, HardState, LogBase, LogIndex } from "../core/index.js";
import {
  type Batch,
  batchesOf,
  endAfter,
  endAfterRestart,
  conflictWithEnd,
  conflictWithRestart,
  type LogEnd,
} from "./batch.js";
import { type Clock, type Disk, type DiskFile, toPromise, systemClock } from "../../platform/index.js";
import { shortageOf, WalFailedError, type Shortage } from "./errors.js";
import { NextSegment, type PreparedFile, type SegmentedLog } from "./next-segment.js";
import { OldSegments } from "./old-segments.js";
import { RecordBuffer, type Sealed } from "./record-buffer.js";
import { sectorEnd } from "./record.js";
import type { LogTail } from "./recovery.js";
import type { LogFiles } from "./segment-files.js";
import { firstRecordAt, segmentFileName } from "./segment.js";
import type { WalListener } from "./wal-listener.js";
import { WriteStats } from "./write-stats.js";

/**
 * The most bytes of entries in one record; half of a segment if that is less. A larger append is written as several records, one after
 * the other: encoding 32 MiB and computing the checksum takes as long as a heartbeat interval.
 */
const maxRecordBytes = 2 * 1024 * 1024;

/** The largest record; an append with a larger entry throws. The core's limits are far below. */
const maxEntryBytes = 1024 * 1024 * 1024;

/** The options of `Wal`. */
export interface WalOptions {
  readonly disk: Disk;
  /** The directory, created if missing. Nothing else may write to it. */
  readonly directory: string;
  /** The size of a segment, a multiple of 512. A larger record gets a segment of its own size. */
  readonly segmentBytes: number;
  /** The free bytes to leave on the disk: with less, no segment is created. 0 by default. */
  readonly reserveBytes?: number;
  readonly listener: WalListener;
  /** Measures the writes; the machine's own by default. */
  readonly clock?: Pick<Clock, "now">;
}

/** The size of a log's first segment, for which a new member's first write waits: writing 16 MiB of zeros took 50 to 100 ms. */
const firstSegmentBytes = 4 * 1024 * 1024;

/** The segment that is being filled. */
interface Current {
  readonly file: DiskFile;
  readonly path: string;
  readonly bytes: number;
  /** The start of the next record. */
  position: number;
}

interface Opened {
  readonly files: LogFiles;
  readonly end: LogEnd;
  /** The place of the next record; undefined without segments. */
  readonly tail: LogTail | undefined;
  /** The file of the last segment. */
  readonly file: DiskFile | undefined;
}

/** The log before a new segment, for its header. */
interface Beginning {
  /** The end of the log before the first record; older segments are obsolete if it `restarts`. */
  readonly before: LogEnd;
  readonly restarts: boolean;
}

/**
 * A write-ahead log, open for appending. One append or restart at a time; any failure of the disk is final. Opened by `openWal`.
 */
export class Wal implements SegmentedLog {
  readonly writes = new WriteStats();
  private readonly disk: Disk;
  private readonly directory: string;
  private readonly listener: WalListener;
  private readonly clock: Pick<Clock, "now">;
  private readonly next: NextSegment;
  private readonly segmentBytes: number;
  private readonly old: OldSegments;
  /** The batch under way. */
  private readonly record = new RecordBuffer();
  private current: Current | undefined;
  private sequence: number;
  private chain: number;
  private end: LogEnd;
  private readonly recordBytes: number;
  /** The batches that follow the record being written, of the same append. */
  private rest: Batch[] = [];
  /** The callback of the append or restart under way. */
  private done: (() => void) | undefined;
  /** Tells whether the append under way waits for the disk, not for a shortage to end. */
  private isWriting = false;
  /** A renamed segment whose directory must be synced once there are file descriptors. */
  private unnamed: { readonly file: DiskFile; readonly sync: () => void } | undefined;
  private onIdle: (() => void) | undefined;
  private failure: Error | undefined;
  private closing: Promise<void> | undefined;

  /** Used by `openWal` only. */
  constructor(options: WalOptions, { files, end, tail, file }: Opened) {
    this.disk = options.disk;
    this.directory = options.directory;
    this.listener = options.listener;
    this.clock = options.clock ?? systemClock;
    this.segmentBytes = options.segmentBytes;
    this.recordBytes = Math.min(maxRecordBytes, options.segmentBytes / 2);
    const firstBytes = Math.min(tail === undefined ? firstSegmentBytes : Infinity, options.segmentBytes);
    this.next = new NextSegment({ ...options, firstBytes, reserveBytes: options.reserveBytes ?? 0 }, this);
    this.old = new OldSegments({
      disk: options.disk,
      directory: options.directory,
      files,
      listener: options.listener,
    });
    this.end = end;
    this.sequence = tail?.sequence ?? 0;
    this.chain = tail?.chain ?? 0;
    if (tail !== undefined && file !== undefined)
      this.current = { file, path: tail.file, bytes: tail.fileBytes, position: tail.position };
    this.prepareIfDue();
  }

  /**
   * Tells whether there is a shortage of space or file descriptors for the next segment. Appends continue while they fit into
   * the current segment; the first that does not waits, without `done` or failure, until `retryNextSegment` succeeds.
   */
  get isFull(): boolean {
    return this.next.isFull || this.unnamed !== undefined;
  }

  /** The index of the last entry appended, durable or being written; 0 if there is none. */
  get lastIndex(): LogIndex {
    return this.end.lastIndex;
  }

  /**
   * Writes `entries`, which replace the log from the first one's index on, and `hardState` unless it is unchanged. Entries of more
   * than 2 MiB are divided among several synced writes, one after the other; after a crash the log may contain only the first of them.
   * One append at a time: the next may be made from within `done`.
   *
   * @param done called once all of it is durable, never synchronously; never called after a failure
   * @throws Error if another append is under way, after a failure or `close`, or if the batch cannot follow the log (a gap,
   * a falling term, a second vote, a replaced committed entry): nothing of it is written. RangeError for an entry beyond 1 GiB
   */
  append(hardState: HardState | undefined, entries: readonly Entry[], done: () => void): void {
    const batch = { hardState, entries };
    const problem = this.reasonToRefuse() ?? conflictWithEnd(this.end, batch) ?? this.old.reasonToRefuse(entries);
    if (problem !== undefined) throw new Error(`Cannot append to the log: ${problem}`, { cause: this.failure });
    const [first, ...rest] = batchesOf(batch, this.recordBytes);
    this.appendRecord(first);
    this.done = done;
    this.rest = rest;
  }

  /**
   * Removes, in the background, the segments without an entry after `through`, which the state machine holds durably. Only
   * whole segments and never the last one, so the next open may find entries at or before `through`.
   */
  truncate(through: LogIndex): void {
    if (this.reasonUnusable() === undefined) this.old.truncate(through);
  }

  /**
   * Restarts the log, empty, after `base`: the state machine holds everything up to it durably. A crash leaves the old log or
   * the new one. Counts as an append: one at a time.
   *
   * @param hardState the hard state afterwards; a commit index below `base.index` counts as that
   * @param done called once that is durable, never synchronously; never called after a failure
   * @throws Error if an append is under way, after a failure or `close`, if `base` is before the commit index or of a later term
   * than `hardState`, or if `hardState` contradicts the one before
   */
  restart(base: LogBase, hardState: HardState, done: () => void): void {
    const problem = this.reasonToRefuse() ?? conflictWithRestart(this.end, base, hardState);
    if (problem !== undefined) throw new Error(`Cannot restart the log: ${problem}`, { cause: this.failure });
    const before = endAfterRestart(base, hardState);
    this.done = done;
    this.beginSegment({ before, restarts: true }, { hardState: before.hardState, entries: [] });
    this.end = before;
  }

  /** Tries again to create the next segment after a shortage. The caller calls this about once a second. */
  retryNextSegment(): void {
    if (this.reasonUnusable() !== undefined) return;
    this.unnamed?.sync();
    this.next.retry();
  }

  /** Reports a shortage that the next segment has met, or its end. */
  onShortageChanged(full: boolean, shortage: Shortage): void {
    if (this.unnamed === undefined) this.listener.onFull(full, shortage);
  }

  /** Fails the log for good, and reports that once. */
  fail(operation: string, file: string, cause: Error): void {
    if (this.failure !== undefined) return;
    this.failure = new WalFailedError(file, operation, cause);
    this.listener.onFailure(this.failure);
  }

  /** Closes the log after the write under way, whose `done` is called first; an append that waits for space is dropped. */
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
    for (const file of files) if (file !== undefined) await toPromise((done) => file.close(done));
  }

  private reasonUnusable(): string | undefined {
    if (this.failure !== undefined) return "it has failed";
    return this.closing === undefined ? undefined : "it is closed";
  }

  private reasonToRefuse(): string | undefined {
    return this.reasonUnusable() ?? (this.done === undefined ? undefined : "another append is under way");
  }

  private appendRecord(batch: Batch): void {
    const { record, current } = this;
    record.putBatch({ ...batch, configurations: undefined }, current?.position ?? firstRecordAt);
    const bytes = record.endFrom(0);
    if (bytes > maxEntryBytes)
      throw new RangeError(`Cannot append ${bytes} bytes at once: the limit is ${maxEntryBytes}`);
    if (current !== undefined && record.endFrom(current.position) <= current.bytes) this.continueSegment(current);
    else this.beginSegment({ before: this.end, restarts: false }, batch);
    this.end = endAfter(this.end, batch);
  }

  private continueSegment(current: Current): void {
    const sealed = this.record.seal(this.chain);
    this.write(current, sealed.bytes, current.position, () => {
      current.position += sealed.length;
      this.onAppended(sealed);
    });
  }

  /** Begins a segment with `batch`, and with the configurations before it: older segments may be removed. */
  private beginSegment(beginning: Beginning, batch: Batch): void {
    this.record.putBatch({ ...batch, configurations: beginning.before.configurations }, firstRecordAt);
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
        this.current?.file.close(() => undefined); // all of it is durable: a failure to close it loses nothing
        this.current = { file, path: finalPath, bytes, position: sealed.length };
        this.sequence = name.sequence;
        this.old.onSegmentBegun({ file: finalPath, header });
        this.onAppended(sealed);
      }),
    );
  }

  /** Renames the segment to its final name: from then on it belongs to the log. */
  private renameSegment({ file, path: from }: PreparedFile, to: string, then: () => void): void {
    this.disk.rename(from, to, (renameError) => {
      if (renameError !== null) this.failAppend("rename", from, renameError);
      else this.syncRename(file, then);
    });
  }

  /** Syncs the directory. Without a descriptor nothing was synced, so the sync is tried again later. */
  private syncRename(file: DiskFile, then: () => void): void {
    this.isWriting = true;
    this.disk.syncDirectory(this.directory, (error) => {
      const wasWaiting = this.unnamed !== undefined;
      if (error === null) {
        this.unnamed = undefined;
        then();
        if (wasWaiting && !this.next.isFull) this.listener.onFull(false, "descriptors");
      } else if (shortageOf(error) === "descriptors") {
        this.isWriting = false;
        const sync = (): void => {
          if (!this.isWriting) this.syncRename(file, then);
        };
        this.unnamed = { file, sync };
        if (!wasWaiting && !this.next.isFull) this.listener.onFull(true, "descriptors");
        this.onIdle?.();
      } else {
        this.failAppend("sync", this.directory, error);
      }
    });
  }

  private write(
    { file, path }: { readonly file: DiskFile; readonly path: string },
    bytes: Uint8Array,
    position: number,
    then: () => void,
  ): void {
    this.isWriting = true;
    const beganAt = this.clock.now();
    file.write(bytes, position, (error) => {
      this.writes.seconds.observe((this.clock.now() - beganAt) / 1_000);
      this.writes.bytes += bytes.length;
      if (error === null) then();
      else this.failAppend("write", path, error);
    });
  }

  private onAppended({ checksum }: Sealed): void {
    this.chain = checksum;
    this.isWriting = false;
    this.prepareIfDue();
    // Preparing the next segment may have failed meanwhile: then the member stops and sends nothing more.
    if (this.failure === undefined) this.goOn();
    else this.onIdle?.();
  }

  /** Writes the next record of the append, or ends it. */
  private goOn(): void {
    const next = this.rest.shift();
    if (next !== undefined) {
      this.appendRecord(next);
      if (!this.isWriting) this.onIdle?.(); // the record waits for a segment
      return;
    }
    const { done } = this;
    this.done = undefined;
    done?.();
    this.onIdle?.();
  }

  /**
   * Prepares the next segment once the current one has room for less than half of one: early enough for the next append, and a member
   * without writes uses less space. The small first segment is followed at once, so that a member whose disk becomes full can
   * append more entries.
   */
  private prepareIfDue(): void {
    const { current } = this;
    if (this.closing !== undefined || this.failure !== undefined) return;
    if (current === undefined || current.bytes - current.position <= this.segmentBytes / 2) this.next.prepare();
  }

  /** Fails the append under way: its `done` is never called. */
  private failAppend(operation: string, file: string, cause: Error): void {
    this.isWriting = false;
    this.fail(operation, file, cause);
    this.onIdle?.();
  }
}

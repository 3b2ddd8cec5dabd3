// The write-ahead log: what a member must not forget, on disk before it speaks of it. Raft paper §5.1, figure 2.
import path from "node:path";
import { ByteWriter } from "../codec/bytes.js";
import type { Entry, HardState, LogIndex } from "../core/types.js";
import { endAfter, whyNotAfter, writeBatch, type LogEnd } from "./batch.js";
import { promised, type Disk, type DiskFile } from "./disk.js";
import { naming, WalFailedError } from "./errors.js";
import { NextSegment, type PreparedFile } from "./next-segment.js";
import {
  batchRecord,
  blankSectors,
  nextRecordAt,
  recordEnd,
  recordHeaderBytes,
  sealRecord,
  sectorBytes,
  sectorEnd,
  type SealedRecord,
} from "./record.js";
import { readSegments, recoverLog, type LogTail, type Recovery, type Repair } from "./recovery.js";
import { firstRecordAt, nextSegmentName, segmentFileName, writeSegmentHeader } from "./segment.js";

const defaultSegmentBytes = 16 * 1024 * 1024;

/** Beyond this, a batch is refused by throwing: whoever gathers batches bounds them far below. */
const maxBatchBytes = 1024 * 1024 * 1024;

export interface WalOptions {
  readonly disk: Disk;
  /** Created if need be. Nothing else may write to it. */
  readonly directory: string;
  /** A multiple of 512; 16 MiB if absent. A larger batch gets a segment of its own size. */
  readonly segmentBytes?: number;
  /** Called once: a `WalFailedError` after which nothing is durable any more. The member must stop. */
  readonly onFailure: (error: Error) => void;
  /** `Wal.full` changed. */
  readonly onFull?: (full: boolean) => void;
}

export interface RecoveredLog {
  readonly hardState: HardState;
  /** The whole log from entry 1 on. Their data are views into what was read. */
  readonly entries: readonly Entry[];
  /** What was cut off, for the log line; undefined if nothing was. */
  readonly repaired: Repair | undefined;
}

/**
 * Reads the log in `directory` and opens it for appending. What it returns is durable.
 *
 * @throws WalDamagedError if anything but a power cut during the last write explains what is there; WalVersionError if a
 * newer version wrote it; in both cases nothing in the directory was touched; WalFailedError if the disk fails
 */
export const openWal = async (options: WalOptions): Promise<{ wal: Wal; recovered: RecoveredLog }> => {
  const { disk, directory, segmentBytes = defaultSegmentBytes } = options;
  if (segmentBytes % sectorBytes !== 0 || segmentBytes < 2 * sectorBytes)
    throw new RangeError(`Cannot use segments of ${segmentBytes} bytes: not a multiple of ${sectorBytes}`);
  await promised((done) => disk.makeDirectory(directory, done));
  const recovery = recoverLog(await readSegments(disk, directory));
  await removeUnfinished(disk, directory);
  const { tail, repair } = recovery;
  const file = tail && (await naming("open", tail.file, openTail(disk, tail, repair)));
  // The last segment may have been renamed by a process that was killed before it could make the name durable.
  const synced = promised((done) => disk.syncDirectory(directory, done));
  await naming("sync", directory, synced);
  const wal = new Wal(options, recovery, file);
  const recovered = { hardState: recovery.end.hardState, entries: recovery.entries, repaired: repair };
  return { wal, recovered };
};

const removeUnfinished = async (disk: Disk, directory: string): Promise<void> => {
  const names = await promised<readonly string[]>((done) => disk.list(directory, done));
  if (names.includes(nextSegmentName))
    await promised((done) => disk.remove(path.join(directory, nextSegmentName), done));
};

/**
 * Opens the last segment, cuts off what is torn, and makes what is left durable: a process that was killed may have left
 * its last record in the page cache only. The record is written again, as after a failed write the page cache may hold
 * what the disk does not, and take it for durable.
 */
const openTail = async (disk: Disk, tail: LogTail, repair: Repair | undefined): Promise<DiskFile> => {
  const { lastRecordAt, position } = tail;
  const file = await promised<DiskFile>((done) => disk.open(tail.file, "existing", done));
  const end = repair === undefined ? sectorEnd(position) : position + repair.bytes;
  const bytes = await promised<Uint8Array>((done) => file.read(lastRecordAt, end - lastRecordAt, done));
  if (repair !== undefined) bytes.set(blankSectors(position, end, lastRecordAt), position - lastRecordAt);
  await promised((done) => file.write(bytes, lastRecordAt, done));
  return file;
};

/** The segment that is being filled. */
interface Current {
  readonly file: DiskFile;
  readonly path: string;
  readonly bytes: number;
  /** Where the next record begins. */
  position: number;
}

/** In the buffer of a batch: room for a segment header, should the batch begin a segment, then the record's first sector. */
const recordSectorAt = firstRecordAt;

export class Wal {
  private readonly disk: Disk;
  private readonly directory: string;
  private readonly onFailure: (error: Error) => void;
  private readonly next: NextSegment;
  private readonly writer = new ByteWriter(64 * 1024);
  private current: Current | undefined;
  private sequence: number;
  private chain: number;
  private end: LogEnd;
  /** Of the append under way. */
  private done: (() => void) | undefined;
  /** Whether that append waits for its disk (rather than for space). */
  private writing = false;
  private whenIdle: (() => void) | undefined;
  private failure: Error | undefined;
  private closing: Promise<void> | undefined;

  /** Only for `openWal`. */
  constructor(options: WalOptions, { end, tail }: Recovery, file: DiskFile | undefined) {
    this.disk = options.disk;
    this.directory = options.directory;
    this.onFailure = options.onFailure;
    this.next = new NextSegment({
      disk: options.disk,
      directory: options.directory,
      segmentBytes: options.segmentBytes ?? defaultSegmentBytes,
      onFull: (full) => options.onFull?.(full),
      onFailure: (operation, failed, cause) => this.fail(operation, failed, cause),
    });
    this.end = end;
    this.sequence = tail?.sequence ?? 0;
    this.chain = tail?.chain ?? 0;
    if (tail !== undefined && file !== undefined)
      this.current = { file, path: tail.file, bytes: tail.fileBytes, position: tail.position };
    this.prepareInTime();
  }

  /**
   * There is no space for the next segment. Appends go on while they fit in the present one; the first that does not
   * waits, and neither its `done` nor a failure is reported, until `retryNextSegment` finds space.
   */
  get full(): boolean {
    return this.next.full;
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
    const problem = this.whyRefused() ?? whyNotAfter(this.end, batch);
    if (problem !== undefined) throw new Error(`Cannot append to the log: ${problem}`, { cause: this.failure });
    const start = recordSectorAt + ((this.current?.position ?? 0) % sectorBytes);
    this.writer.reset();
    this.writer.skip(start + recordHeaderBytes);
    writeBatch(this.writer, batch);
    const payloadBytes = this.writer.length - start - recordHeaderBytes;
    if (payloadBytes > maxBatchBytes) throw new RangeError(`Cannot append ${payloadBytes} bytes at once: too many`);
    this.done = done;
    if (this.current === undefined || !this.fits(this.current, payloadBytes)) this.beginSegment(start, payloadBytes);
    else this.continueSegment(this.current, start, payloadBytes);
    this.end = endAfter(this.end, batch);
  }

  /** Tries again to make the next segment, if there was no space for it. Once a second is often enough. */
  retryNextSegment(): void {
    if (this.whyUnusable() === undefined) this.next.retry();
  }

  /** Waits for a write under way, whose `done` is called first; an append that waits for space is dropped. */
  close(): Promise<void> {
    this.closing ??= this.release();
    return this.closing;
  }

  private async release(): Promise<void> {
    if (this.writing) await new Promise<void>((resolve) => (this.whenIdle = resolve));
    await new Promise<void>((resolve) => this.next.close(resolve));
    const { current } = this;
    this.current = undefined;
    if (current !== undefined) await promised((done) => current.file.close(done));
  }

  private whyUnusable(): string | undefined {
    if (this.failure !== undefined) return "it has failed";
    return this.closing === undefined ? undefined : "it is closed";
  }

  private whyRefused(): string | undefined {
    return this.whyUnusable() ?? (this.done === undefined ? undefined : "another append is under way");
  }

  private fits({ position, bytes }: Current, payloadBytes: number): boolean {
    return recordEnd(position, recordHeaderBytes + payloadBytes) <= bytes;
  }

  private continueSegment(current: Current, start: number, payloadBytes: number): void {
    const { buffer, sealed } = this.seal(start, payloadBytes, this.chain);
    this.writing = true;
    this.write(current, buffer.subarray(start, sealed.end), current.position, () => {
      current.position += nextRecordAt(recordEnd(start, recordHeaderBytes + payloadBytes)) - start;
      this.appended(sealed);
    });
  }

  /** The record begins the next segment; it is moved up to where the records of a segment begin. */
  private beginSegment(start: number, payloadBytes: number): void {
    if (start > firstRecordAt) this.writer.written().copyWithin(firstRecordAt, start);
    const needed = sectorEnd(recordEnd(firstRecordAt, recordHeaderBytes + payloadBytes));
    const { end } = this; // before this batch
    this.next.take(needed, (prepared) => this.startSegment(prepared, payloadBytes, end));
  }

  private startSegment(prepared: PreparedFile, payloadBytes: number, before: LogEnd): void {
    const { file, bytes } = prepared;
    const { hardState, lastIndex } = before;
    const name = { sequence: this.sequence + 1, firstIndex: (lastIndex + 1) as LogIndex };
    const finalPath = path.join(this.directory, segmentFileName(name));
    const header = { ...name, hardState, chain: this.chain, fileBytes: bytes };
    const seed = writeSegmentHeader(this.writer.written(), header);
    const { buffer, sealed } = this.seal(firstRecordAt, payloadBytes, seed);
    const position = nextRecordAt(recordEnd(firstRecordAt, recordHeaderBytes + payloadBytes));
    this.writing = true;
    this.write(prepared, buffer.subarray(0, sealed.end), 0, () =>
      this.giveName(prepared.path, finalPath, () => {
        this.current?.file.close(() => undefined); // all of it was durable long ago: closing it can lose nothing
        this.current = { file, path: finalPath, bytes, position };
        this.sequence = name.sequence;
        this.appended(sealed);
      }),
    );
  }

  /** From here on the segment counts. */
  private giveName(from: string, to: string, then: () => void): void {
    this.disk.rename(from, to, (renameError) => {
      if (renameError !== null) this.failAppend("rename", from, renameError);
      else
        this.disk.syncDirectory(this.directory, (syncError) => {
          if (syncError !== null) this.failAppend("sync", this.directory, syncError);
          else then();
        });
    });
  }

  private seal(start: number, payloadBytes: number, seed: number): { buffer: Uint8Array; sealed: SealedRecord } {
    const end = sectorEnd(recordEnd(start, recordHeaderBytes + payloadBytes));
    this.writer.skip(Math.max(0, end - this.writer.length));
    const buffer = this.writer.written();
    return { buffer, sealed: sealRecord(buffer, start, { type: batchRecord, payloadBytes, seed }) };
  }

  private write(
    { file, path }: { readonly file: DiskFile; readonly path: string },
    bytes: Uint8Array,
    position: number,
    then: () => void,
  ): void {
    file.write(bytes, position, (error) => {
      if (error === null) then();
      else this.failAppend("write", path, error);
    });
  }

  private appended({ checksum }: SealedRecord): void {
    this.chain = checksum;
    this.writing = false;
    this.prepareInTime();
    const { done } = this;
    this.done = undefined;
    // Preparing the next segment may have failed meanwhile: then the member stops, and says nothing more.
    if (this.failure === undefined) done?.();
    this.whenIdle?.();
  }

  /** Half a segment is time enough to fill the next one with zeros, and spares a member that is hardly used the space. */
  private prepareInTime(): void {
    const { current } = this;
    if (this.closing !== undefined || this.failure !== undefined) return;
    if (current === undefined || current.position >= current.bytes / 2) this.next.prepare();
  }

  /** The append under way has failed: `done` is not called any more. */
  private failAppend(operation: string, file: string, cause: Error): void {
    this.writing = false;
    this.fail(operation, file, cause);
    this.whenIdle?.();
  }

  private fail(operation: string, file: string, cause: Error): void {
    if (this.failure !== undefined) return;
    this.failure = new WalFailedError(file, operation, cause);
    this.onFailure(this.failure);
  }
}

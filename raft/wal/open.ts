// Opens the log: reads it, and repairs it after a power cut.
import path from "node:path";
import { type Disk, type DiskFile, ensureDirectory, toPromise } from "../../platform/index.js";
import { withFileName } from "./errors.js";
import { blankSectors, sectorBytes, sectorEnd } from "./record.js";
import type { Configuration } from "../core/index.js";
import { emptyRecovery, toRecoveredLog, recoverLog, type LogTail, type RecoveredLog, type Repair } from "./recovery.js";
import { listLogFiles } from "./segment-files.js";
import { nextSegmentName } from "./segment.js";
import { Wal, type WalOptions } from "./wal.js";

const defaultSegmentBytes = 16 * 1024 * 1024;

/** The options of `openWal`. */
export interface OpenOptions extends Omit<WalOptions, "segmentBytes"> {
  /** Returns the configuration of a log that has no segment yet. Not called for other logs: their segments state the configuration. */
  readonly loadInitialConfiguration: () => Promise<Configuration>;
  /** The size of a segment, a multiple of 512; 16 MiB by default. A larger record gets a segment of its own size. */
  readonly segmentBytes?: number;
}

/**
 * Reads the log in `directory` and opens it for appending. The returned log is durable.
 *
 * @throws WalDamagedError if a power cut during the last write does not explain the content; WalVersionError if another
 * version wrote it; in both cases no file is changed; WalFailedError if the disk fails
 */
export const openWal = async (options: OpenOptions): Promise<{ wal: Wal; recovered: RecoveredLog }> => {
  const { disk, directory, loadInitialConfiguration, segmentBytes = defaultSegmentBytes } = options;
  if (segmentBytes % sectorBytes !== 0 || segmentBytes < 2 * sectorBytes)
    throw new RangeError(`Cannot use segments of ${segmentBytes} bytes: not a multiple of ${sectorBytes}`);
  await withFileName("make", directory, ensureDirectory(disk, directory));
  const files = await listLogFiles(disk, directory);
  const recovery = (await recoverLog(disk, files)) ?? emptyRecovery(await loadInitialConfiguration());
  await removeUnfinished(disk, directory);
  const { tail, repair } = recovery;
  const file = tail && (await withFileName("open", tail.file, openTail(disk, tail, repair)));
  // A killed process may have renamed the last segment without making the name durable.
  const synced = toPromise((done) => disk.syncDirectory(directory, done));
  await withFileName("sync", directory, synced);
  const wal = new Wal({ ...options, segmentBytes }, { files, end: recovery.end, tail, file });
  return { wal, recovered: toRecoveredLog(recovery) };
};

const removeUnfinished = async (disk: Disk, directory: string): Promise<void> => {
  const names = await toPromise<readonly string[]>((done) => disk.list(directory, done));
  if (names.includes(nextSegmentName))
    await toPromise((done) => disk.remove(path.join(directory, nextSegmentName), done));
};

/**
 * Opens the last segment, cuts off a torn record and makes the rest durable: the last record of a killed process may be in the
 * page cache only. A sync does not suffice, as after a failed write the page cache may mark unwritten data clean: the record is written again.
 */
const openTail = async (disk: Disk, tail: LogTail, repair: Repair | undefined): Promise<DiskFile> => {
  const { lastRecordAt, position } = tail;
  const file = await toPromise<DiskFile>((done) => disk.open(tail.file, "existing", done));
  const end = repair === undefined ? sectorEnd(position) : position + repair.bytes;
  const bytes = await toPromise<Uint8Array>((done) => file.read(lastRecordAt, end - lastRecordAt, done));
  if (repair !== undefined) bytes.set(blankSectors(position, end, lastRecordAt), position - lastRecordAt);
  await toPromise((done) => file.write(bytes, lastRecordAt, done));
  return file;
};

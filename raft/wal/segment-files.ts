// Finds the files of a log by name and reads their headers, before any file is read as a whole.
import path from "node:path";
import { type Disk, type DiskFile, toPromise } from "../../platform/index.js";
import { withFileName, WalDamagedError } from "./errors.js";
import { sectorBytes } from "./record.js";
import { parseSegmentFileName, readSegmentHeader, segmentFileName, type SegmentHeader } from "./segment.js";

/** A file of the log and its header. */
export interface SegmentFile {
  readonly file: string;
  readonly header: SegmentHeader;
  /** The seed of the first record's checksum. */
  readonly seed: number;
}

/** The files of a log. */
export interface LogFiles {
  /** The segments left by an interrupted truncation or restart, to be removed, oldest first. */
  readonly obsolete: readonly SegmentFile[];
  /** The segments of the log, oldest first. */
  readonly segments: readonly SegmentFile[];
}

/** Lists the log's files. @throws WalDamagedError, WalVersionError or WalFailedError */
export const listLogFiles = async (disk: Disk, directory: string): Promise<LogFiles> => {
  const names = await toPromise<readonly string[]>((done) => disk.list(directory, done));
  const files: SegmentFile[] = [];
  for (const name of names.filter((each) => each.endsWith(".wal")).sort()) {
    const file = path.join(directory, name);
    files.push(readHead(file, await readFile(disk, file, sectorBytes)));
  }
  return separateObsolete(files);
};

/** Reads `file`, or its first `length` bytes. @throws WalFailedError */
export const readFile = (disk: Disk, file: string, length?: number): Promise<Uint8Array> =>
  withFileName("read", file, readFrom(disk, file, length));

const readFrom = async (disk: Disk, file: string, length: number | undefined): Promise<Uint8Array> => {
  const open = await toPromise<DiskFile>((done) => disk.open(file, "reading", done));
  try {
    const toRead = length ?? (await toPromise<number>((done) => open.size(done)));
    return await toPromise<Uint8Array>((done) => open.read(0, toRead, done));
  } finally {
    await toPromise((done) => open.close(done));
  }
};

/**
 * Reads a segment's header.
 *
 * @param head at least the first sector of the file, if it has one
 * @throws WalDamagedError if name or header is damaged, or they differ; WalVersionError
 */
export const readHead = (file: string, head: Uint8Array): SegmentFile => {
  const name = parseSegmentFileName(path.basename(file));
  if (name === undefined) throw new WalDamagedError(file, 0, "not the name of a segment");
  const { header, seed } = readSegmentHeader(file, head);
  if (header.sequence !== name.sequence || header.firstIndex !== name.firstIndex)
    throw new WalDamagedError(file, 0, `the header is that of segment ${segmentFileName(header)}`);
  return { file, header, seed };
};

/**
 * Separates the log's segments from obsolete ones. Segments are removed oldest first, so only the front may be missing.
 *
 * @param files in the order of their names
 * @throws WalDamagedError if a segment is missing between two others
 */
export const separateObsolete = (files: readonly SegmentFile[]): LogFiles => {
  const first = Math.max(
    0,
    files.findLastIndex(({ header }) => header.restarts),
  );
  const segments = files.slice(first);
  const from = segments[0]?.header.sequence ?? 1;
  for (const [at, { file, header }] of segments.entries())
    if (header.sequence !== from + at)
      throw new WalDamagedError(file, 0, `segment ${header.sequence} where segment ${from + at} should be`);
  return { obsolete: files.slice(0, first), segments };
};

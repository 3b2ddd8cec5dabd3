// Reading the log back. Nothing is changed here: what has to be repaired is returned, so a damaged directory stays as it was.
import path from "node:path";
import { MalformedMessageError } from "../codec/bytes.js";
import type { Entry, HardState, LogIndex, Term } from "../core/types.js";
import { emptyLog, endAfter, readBatch, whyNotAfter, type Batch, type LogEnd } from "./batch.js";
import { promised, type Disk, type DiskFile } from "./disk.js";
import { naming, WalDamagedError, WalVersionError } from "./errors.js";
import { batchRecord, nextRecordAt, readRecord } from "./record.js";
import {
  firstRecordAt,
  parseSegmentFileName,
  readSegmentHeader,
  segmentFileName,
  type SegmentName,
} from "./segment.js";

/** What a power cut left of the last write: never acknowledged, and cut off. */
export interface Repair {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

/** Where the next record goes. */
export interface LogTail {
  readonly file: string;
  readonly sequence: number;
  readonly fileBytes: number;
  readonly position: number;
  /** Where the last record begins. */
  readonly lastRecordAt: number;
  /** Checksum of the last record. */
  readonly chain: number;
}

export interface Recovery {
  readonly end: LogEnd;
  readonly entries: readonly Entry[];
  /** Undefined: there is no segment yet. */
  readonly tail: LogTail | undefined;
  /** Undefined: nothing has to be cut. */
  readonly repair: Repair | undefined;
}

/** A file of the log, whole. `bytes` are reordered while they are read, and the entries' data stay in them. */
export interface SegmentFile {
  readonly file: string;
  readonly bytes: Uint8Array;
}

/** Reads all segments of a directory, in their order. */
export const readSegments = async (disk: Disk, directory: string): Promise<SegmentFile[]> => {
  const names = await promised<readonly string[]>((done) => disk.list(directory, done));
  const segments: SegmentFile[] = [];
  for (const name of names.filter((each) => each.endsWith(".wal")).sort()) {
    const file = path.join(directory, name);
    segments.push({ file, bytes: await naming("read", file, readFile(disk, file)) });
  }
  return segments;
};

/** @throws WalDamagedError or WalVersionError */
export const recoverLog = (files: readonly SegmentFile[]): Recovery => {
  const replay = new Replay();
  let tail: LogTail | undefined;
  let repair: Repair | undefined;
  for (const [at, { file, bytes }] of files.entries()) {
    const name = checkName(file, at + 1);
    const last = at === files.length - 1;
    ({ tail, repair } = readSegment({ file, name, bytes, last }, replay, tail?.chain ?? 0));
  }
  return { end: replay.end, entries: replay.entries, tail, repair };
};

/** No segment is missing before this one. */
const checkName = (file: string, expected: number): SegmentName => {
  const name = parseSegmentFileName(path.basename(file));
  if (name === undefined) throw new WalDamagedError(file, 0, "not the name of a segment");
  if (name.sequence !== expected)
    throw new WalDamagedError(file, 0, `segment ${name.sequence} where segment ${expected} should be`);
  return name;
};

const readFile = async (disk: Disk, file: string): Promise<Uint8Array> => {
  const open = await promised<DiskFile>((done) => disk.open(file, "existing", done));
  try {
    const size = await promised<number>((done) => open.size(done));
    return await promised<Uint8Array>((done) => open.read(0, size, done));
  } finally {
    await promised((done) => open.close(done));
  }
};

interface Segment extends SegmentFile {
  readonly name: SegmentName;
  /** No segment follows. */
  readonly last: boolean;
}

const readSegment = (
  segment: Segment,
  replay: Replay,
  chain: number,
): { tail: LogTail; repair: Repair | undefined } => {
  const { file, bytes, last } = segment;
  const seed = checkHeader(segment, replay.end, chain);
  let at = firstRecordAt;
  let previousStart: number | undefined;
  let checksum = seed;
  for (;;) {
    const found = readRecord(bytes, at, { previousStart, seed: checksum });
    if (found.kind === "damage") throw new WalDamagedError(file, found.offset, found.reason);
    if (found.kind === "record") {
      replay.take(file, at, found);
      previousStart = at;
      checksum = found.checksum;
      at = nextRecordAt(found.end);
      continue;
    }
    // A segment gets its name when its first record is on disk, and the next one is begun when its last one is.
    if (previousStart === undefined) throw new WalDamagedError(file, at, "the first record is not there");
    if (found.kind === "torn" && !last)
      throw new WalDamagedError(file, at, "a record is not complete, though another segment follows");
    return {
      tail: {
        file,
        sequence: segment.name.sequence,
        fileBytes: bytes.length,
        position: at,
        lastRecordAt: previousStart,
        chain: checksum,
      },
      repair: found.kind === "torn" ? { file, offset: at, bytes: found.end - at } : undefined,
    };
  }
};

/** Whether this is the segment its name says, and goes on where the one before ended. Returns the first record's seed. */
const checkHeader = ({ file, name, bytes }: Segment, end: LogEnd, chain: number): number => {
  const { header, seed } = readSegmentHeader(file, bytes);
  const problem =
    header.sequence !== name.sequence || header.firstIndex !== name.firstIndex
      ? `the header is that of segment ${segmentFileName(header)}`
      : header.chain !== chain
        ? "the segment before does not end in the record that this one follows"
        : header.firstIndex !== end.lastIndex + 1
          ? `the first index is ${header.firstIndex} after entry ${end.lastIndex}`
          : !sameHardState(header.hardState, end.hardState)
            ? "the hard state is not the one of the segment before"
            : undefined;
  if (problem !== undefined) throw new WalDamagedError(file, 0, problem);
  if (header.fileBytes !== bytes.length)
    throw new WalDamagedError(file, bytes.length, `the file should end at byte ${header.fileBytes}`);
  return seed;
};

const sameHardState = (a: HardState, b: HardState): boolean =>
  a.term === b.term && a.vote === b.vote && a.commit === b.commit;

/** The log as it grows from record to record. */
class Replay {
  readonly entries: Entry[] = [];
  end: LogEnd = emptyLog;

  take(file: string, offset: number, record: { readonly type: number; readonly payload: Uint8Array }): void {
    if (record.type !== batchRecord) throw new WalVersionError(file, offset, `record type ${record.type}`);
    const batch = decode(file, offset, record.payload);
    const problem = whyNotAfter(this.end, batch) ?? this.whyNotAtItsPlace(batch);
    if (problem !== undefined) throw new WalDamagedError(file, offset, problem);
    const [first] = batch.entries;
    if (first !== undefined) this.entries.length = first.index - 1; // the batch replaces the log from there on
    for (const entry of batch.entries) this.entries.push(entry);
    this.end = endAfter(this.end, batch);
  }

  /** What only the whole log can tell: entries that replace others do not fall behind the term they follow. */
  private whyNotAtItsPlace({ entries: [first] }: Batch): string | undefined {
    if (first === undefined) return undefined;
    const before = this.entries[first.index - 2]?.term ?? (0 as Term);
    return first.term < before ? `entry ${first.index} of term ${first.term} after term ${before}` : undefined;
  }
}

const decode = (file: string, offset: number, payload: Uint8Array): Batch => {
  try {
    const batch = readBatch(payload);
    if (batch.entries[0]?.index === (0 as LogIndex)) throw new WalDamagedError(file, offset, "an entry 0");
    return batch;
  } catch (error) {
    if (!(error instanceof MalformedMessageError)) throw error;
    throw new WalDamagedError(file, offset, error.message);
  }
};

// A segment: one file of the log. Its first sector is the header below; records follow, then zeros to the end.
//
//    0  magic "mini-wal"                 32  hard state before the first record: term,
//    8  format version, u32              40    vote,
//   12  checksum of the last record      48    commit
//       of the segment before, u32       56  bytes in this file
//   16  number of this segment, from 1   64  zeros
//   24  first index                     508  crc32 of bytes 0 to 507, u32
//
// Numbers are big-endian, 64 bits where nothing else is said. The first index is one more than the last of the log
// before this segment. The header's own checksum seeds that of the first record, and the header holds the one the
// segment before ended with: so one chain runs through all files, and no file or end of a file can be missing unnoticed.
//
// A segment is filled with zeros, given its header and its first record, all durable under another name; only then is
// it renamed to what it is. So every segment has a whole header and a whole first record, whatever happened.
import { crc32 } from "node:zlib";
import type { HardState, LogIndex, Term } from "../core/types.js";
import { WalDamagedError, WalVersionError } from "./errors.js";
import { sectorBytes } from "./record.js";

export const formatVersion = 1;

/** Records begin behind the header, which has a sector of its own. */
export const firstRecordAt = sectorBytes;

/** The segment being prepared. What it holds was never acknowledged. */
export const nextSegmentName = "next.tmp";

export interface SegmentName {
  readonly sequence: number;
  readonly firstIndex: LogIndex;
}

export interface SegmentHeader extends SegmentName {
  readonly hardState: HardState;
  /** Checksum of the last record before this segment; 0 in the first segment. */
  readonly chain: number;
  readonly fileBytes: number;
}

const magic = Buffer.from("mini-wal", "latin1");
const checksumAt = sectorBytes - 4;

const hex = (value: number): string => value.toString(16).padStart(16, "0");

/** Names sort as the segments follow each other. */
export const segmentFileName = ({ sequence, firstIndex }: SegmentName): string =>
  `${hex(sequence)}-${hex(firstIndex)}.wal`;

/** Undefined for a file that is none of the log's. */
export const parseSegmentFileName = (name: string): SegmentName | undefined => {
  const match = /^([0-9a-f]{16})-([0-9a-f]{16})\.wal$/.exec(name);
  if (match === null) return undefined;
  const [sequence, firstIndex] = [Number(`0x${match[1]}`), Number(`0x${match[2]}`)];
  return { sequence, firstIndex: firstIndex as LogIndex };
};

/** Fills the first sector of `bytes`, and returns the seed of the first record's checksum. */
export const writeSegmentHeader = (bytes: Uint8Array, header: SegmentHeader): number => {
  const sector = bytes.subarray(0, sectorBytes).fill(0);
  const view = new DataView(sector.buffer, sector.byteOffset, sectorBytes);
  sector.set(magic);
  view.setUint32(8, formatVersion);
  view.setUint32(12, header.chain);
  view.setBigUint64(16, BigInt(header.sequence));
  view.setBigUint64(24, BigInt(header.firstIndex));
  view.setBigUint64(32, BigInt(header.hardState.term));
  view.setBigUint64(40, header.hardState.vote);
  view.setBigUint64(48, BigInt(header.hardState.commit));
  view.setBigUint64(56, BigInt(header.fileBytes));
  const checksum = crc32(sector.subarray(0, checksumAt));
  view.setUint32(checksumAt, checksum);
  return checksum;
};

/**
 * @param file for the error
 * @returns the header, and the seed of the first record's checksum
 */
export const readSegmentHeader = (file: string, bytes: Uint8Array): { header: SegmentHeader; seed: number } => {
  if (bytes.length < sectorBytes) throw new WalDamagedError(file, bytes.length, "the file ends in its header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, sectorBytes);
  if (magic.compare(bytes, 0, magic.length) !== 0) throw new WalDamagedError(file, 0, "not a segment of a log");
  // Magic, version and checksum keep their places in every version, so this can be checked before the version is.
  const seed = view.getUint32(checksumAt);
  if (crc32(bytes.subarray(0, checksumAt)) !== seed)
    throw new WalDamagedError(file, 0, "the header's checksum is wrong");
  const version = view.getUint32(8);
  if (version !== formatVersion) throw new WalVersionError(file, 8, `format version ${version}`);
  const header: SegmentHeader = {
    chain: view.getUint32(12),
    sequence: Number(view.getBigUint64(16)),
    firstIndex: Number(view.getBigUint64(24)) as LogIndex,
    hardState: {
      term: Number(view.getBigUint64(32)) as Term,
      vote: view.getBigUint64(40),
      commit: Number(view.getBigUint64(48)) as LogIndex,
    },
    fileBytes: Number(view.getBigUint64(56)),
  };
  return { header, seed };
};

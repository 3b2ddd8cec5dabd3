// A segment: one file of the log. The first sector is the header below; records follow, then zeros to the end.
//
//    0  magic "mini-wal"                 40    vote,
//    8  format version, u32              48    commit
//   12  checksum of the last record      56  bytes in this file
//       of the segment before, u32       64  term of the entry before the first index
//   16  number of this segment, from 1   72  how it begins, u32: 0 continues the log, 1 restarts it
//   24  first index                      76  zeros
//   32  hard state before the first     508  crc32 of bytes 0 to 507, u32
//       record: term,
//
// Numbers are big-endian and of 64 bits unless stated. The first index is one more than the last of the log before this
// segment. The header's own checksum seeds that of the first record, and the header contains the checksum of the last record of
// the segment before. The checksums of all files form one chain, so a missing file or end of a file is detected.
//
// The oldest segments may be missing: the state machine holds their entries. Therefore a header states all that the first
// record depends on. A segment that restarts begins an empty log after an installed snapshot; earlier ones are obsolete.
//
// A segment is filled with zeros and given its header and first record, all durable under another name; then it is renamed. Every
// segment therefore has a complete header and a complete first record.
import { crc32 } from "node:zlib";
import type { HardState, LogIndex, MemberId, Term } from "../core/index.js";
import { WalDamagedError, WalVersionError } from "./errors.js";
import { sectorBytes } from "./record.js";

/** The version of the log format. */
export const formatVersion = 3;

/** The start of the first record, after the header's sector. */
export const firstRecordAt = sectorBytes;

/** The name of the segment being prepared. No record in it was acknowledged. */
export const nextSegmentName = "next.tmp";

/** The parts of a segment's file name. */
export interface SegmentName {
  readonly sequence: number;
  readonly firstIndex: LogIndex;
}

/** The header of a segment. */
export interface SegmentHeader extends SegmentName {
  readonly hardState: HardState;
  /** The checksum of the last record before this segment; 0 in the first segment. */
  readonly chain: number;
  readonly fileBytes: number;
  /** The term of the entry before the first index when the segment was begun. */
  readonly termBefore: Term;
  /** Tells whether the log restarts here, empty: older segments are obsolete. */
  readonly restarts: boolean;
}

const magic = Buffer.from("mini-wal", "latin1");
const checksumAt = sectorBytes - 4;

const hex = (value: number): string => value.toString(16).padStart(16, "0");

/** Returns a segment's file name; names sort in the order of segments. */
export const segmentFileName = ({ sequence, firstIndex }: SegmentName): string =>
  `${hex(sequence)}-${hex(firstIndex)}.wal`;

/** Parses a file name; undefined if it is not a segment's. */
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
  view.setBigUint64(64, BigInt(header.termBefore));
  view.setUint32(72, header.restarts ? 1 : 0);
  const checksum = crc32(sector.subarray(0, checksumAt));
  view.setUint32(checksumAt, checksum);
  return checksum;
};

/**
 * Decodes a header.
 *
 * @param file the name for the error
 * @param bytes at least the first sector, if the file has one
 * @returns the header, and the seed of the first record's checksum
 */
export const readSegmentHeader = (file: string, bytes: Uint8Array): { header: SegmentHeader; seed: number } => {
  if (bytes.length < sectorBytes) throw new WalDamagedError(file, bytes.length, "the file ends in its header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, sectorBytes);
  if (magic.compare(bytes, 0, magic.length) !== 0) throw new WalDamagedError(file, 0, "not a segment of a log");
  // Magic, version and checksum have the same place in every version, so the checksum is checked before the version.
  const seed = view.getUint32(checksumAt);
  if (crc32(bytes.subarray(0, checksumAt)) !== seed)
    throw new WalDamagedError(file, 0, "the header's checksum is wrong");
  const version = view.getUint32(8);
  if (version !== formatVersion)
    throw new WalVersionError(file, 8, `format version ${version}`, version > formatVersion ? "newer" : "older");
  const beginning = view.getUint32(72);
  if (beginning > 1) throw new WalVersionError(file, 72, `a beginning of kind ${beginning}`);
  const header: SegmentHeader = {
    chain: view.getUint32(12),
    sequence: Number(view.getBigUint64(16)),
    firstIndex: Number(view.getBigUint64(24)) as LogIndex,
    hardState: {
      term: Number(view.getBigUint64(32)) as Term,
      vote: view.getBigUint64(40) as MemberId,
      commit: Number(view.getBigUint64(48)) as LogIndex,
    },
    fileBytes: Number(view.getBigUint64(56)),
    termBefore: Number(view.getBigUint64(64)) as Term,
    restarts: beginning === 1,
  };
  return { header, seed };
};

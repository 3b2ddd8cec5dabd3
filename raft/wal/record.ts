// A record: one batch, written with one write and durable before the next is begun.
//
//   0  crc32 of bytes 4 to 12, u32       8  bytes of payload, u32
//   4  crc32 of bytes 8 to the end      12  type
//      of the payload, u32              13  payload
//
// Both checksums are seeded with the checksum at 4 of the record before, so a record is valid only in its place. The first
// one covers the length: a torn or damaged payload does not make the length unknown.
//
// After a power cut, any of the sectors of the last, unfinished write may be on disk, and the others still hold their former
// content. The last byte of each sector is a mark, to tell a sector that never arrived from one that holds zeros: one value if a
// record begins in the sector, another if a record only continues in it. A record begins at a multiple of 16 where its header still
// fits in the sector, so a header arrives whole or not at all. Therefore:
//
// - Zeros where a header should be, and zeros to the end: the log ends here.
// - Zeros where a header should be, and later sectors that only continue a record: the last write arrived without its first sector.
// - A header, but sectors of its record are all zero: the last write arrived in part.
// - Anything else, above all any sign that a later record was begun, cannot come from a power cut: damage.
import { crc32 } from "node:zlib";

/** The bytes that a disk writes entirely or not at all. Larger physical sectors are several of these. */
export const sectorBytes = 512;

/** The size of a record's header. */
export const recordHeaderBytes = 13;

/** The type of a record whose payload is one `Batch`. */
export const batchRecord = 1;

const alignment = 16;
const markAt = sectorBytes - 1;
/** Marks have at least two bits set and differ in all eight: no single flipped bit makes one into the other, or into zero. */
const beginMark = 0x5a;
const goOnMark = 0xa5;

const sectorOf = (position: number): number => position - (position % sectorBytes);

/** Returns the end of the sector that holds the byte before `position`. */
export const sectorEnd = (position: number): number => Math.ceil(position / sectorBytes) * sectorBytes;

/** Returns the end of `length` bytes of a record that begins at `start`, marks included. */
export const recordEnd = (start: number, length: number): number => {
  const inFirst = markAt - (start % sectorBytes);
  if (length <= inFirst) return start + length;
  const rest = length - inFirst - 1;
  return sectorOf(start) + sectorBytes + Math.floor(rest / markAt) * sectorBytes + (rest % markAt) + 1;
};

/** Returns the start of the record after one that ends at `end`. */
export const nextRecordAt = (end: number): number => Math.ceil(end / alignment) * alignment;

/** The result of `sealRecord`. */
export interface SealedRecord {
  readonly checksum: number;
  /** The end of the last sector, and of the write. */
  readonly end: number;
}

/**
 * Completes the record at `start` in `bytes`, whose payload is contiguous, after room for its header: fills in the
 * header, spreads the record over its sectors and sets their marks. `bytes` must reach to the end of the last sector.
 */
export const sealRecord = (
  bytes: Uint8Array,
  start: number,
  { type, payloadBytes, seed }: { type: number; payloadBytes: number; seed: number },
): SealedRecord => {
  const length = recordHeaderBytes + payloadBytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint32(start + 8, payloadBytes);
  view.setUint8(start + 12, type);
  const checksum = crc32(bytes.subarray(start + 8, start + length), seed);
  view.setUint32(start + 4, checksum);
  view.setUint32(start, crc32(bytes.subarray(start + 4, start + recordHeaderBytes), seed));
  return { checksum, end: spread(bytes, start, length) };
};

/** Moves the bytes apart to make room for the marks, from the end so that no byte is overwritten before it is moved. */
const spread = (bytes: Uint8Array, start: number, length: number): number => {
  const end = recordEnd(start, length);
  const lastSector = sectorOf(end - 1);
  bytes.fill(0, end, lastSector + markAt);
  const firstSector = sectorOf(start);
  for (let sector = lastSector; sector > firstSector; sector -= sectorBytes) {
    const from = sector - (sector - firstSector) / sectorBytes;
    bytes.copyWithin(sector, from, Math.min(from + markAt, start + length));
    bytes[sector + markAt] = goOnMark;
  }
  bytes[firstSector + markAt] = beginMark;
  return lastSector + sectorBytes;
};

/** Undoes `spread`, in place. */
const gather = (bytes: Uint8Array, start: number, length: number): void => {
  const firstSector = sectorOf(start);
  const lastSector = sectorOf(recordEnd(start, length) - 1);
  for (let sector = firstSector + sectorBytes; sector <= lastSector; sector += sectorBytes) {
    const to = sector - (sector - firstSector) / sectorBytes;
    bytes.copyWithin(to, sector, sector + Math.min(markAt, start + length - to));
  }
};

/** The result of reading at a position where a record may begin. */
export type Found =
  | {
      readonly kind: "record";
      readonly type: number;
      /** A view into the segment. */
      readonly payload: Uint8Array;
      readonly checksum: number;
      readonly end: number;
    }
  /** The end of the log: nothing was written here or later. */
  | { readonly kind: "end" }
  /** The last write, incomplete and so never acknowledged; its sectors end at `end`. */
  | { readonly kind: "torn"; readonly end: number }
  | { readonly kind: "damage"; readonly offset: number; readonly reason: string };

/** The context of a record. */
export interface RecordContext {
  /** The start of the record before; undefined for the first of a segment. */
  readonly previousStart: number | undefined;
  /** The checksum of the record before. */
  readonly seed: number;
}

/** Reads the record at `start` of a whole segment. The parts of the payload are moved together within `segment`. */
export const readRecord = (segment: Uint8Array, start: number, context: RecordContext): Found => {
  const header = segment.subarray(start, start + recordHeaderBytes);
  if (firstNonZero(header, 0, header.length) === undefined)
    return readEmptyPlace(segment, start, context.previousStart);
  const view = new DataView(segment.buffer, segment.byteOffset, segment.byteLength);
  if (crc32(header.subarray(4), context.seed) !== view.getUint32(start))
    return damage(start, "the checksum of the record's header is wrong");
  const length = recordHeaderBytes + view.getUint32(start + 8);
  const end = recordEnd(start, length);
  if (end > segment.length) return damage(start, "the record does not fit in the file");
  const incomplete = checkSectors(segment, start, end);
  if (incomplete !== undefined) return incomplete;
  const padding = firstNonZero(segment, end, Math.min(nextRecordAt(end), sectorEnd(end) - 1));
  if (padding !== undefined) return damage(padding, "not zero between two records");
  const checksum = view.getUint32(start + 4);
  gather(segment, start, length);
  if (crc32(segment.subarray(start + 8, start + length), context.seed) !== checksum)
    return damage(start, "the record's checksum is wrong");
  const payload = segment.subarray(start + recordHeaderBytes, start + length);
  return { kind: "record", type: view.getUint8(start + 12), payload, checksum, end };
};

/** Checks the sectors of a record; undefined if all of them are there. */
const checkSectors = (segment: Uint8Array, start: number, end: number): Found | undefined => {
  const firstSector = sectorOf(start);
  const lastSector = sectorOf(end - 1);
  if (segment[firstSector + markAt] !== beginMark) return damage(firstSector + markAt, "no record is marked to begin");
  let missing: number | undefined;
  let followed = false;
  for (let sector = firstSector + sectorBytes; sector <= lastSector; sector += sectorBytes) {
    const mark = segment[sector + markAt];
    if (mark === goOnMark) continue;
    if (mark === beginMark && sector === lastSector && sectorOf(nextRecordAt(end)) === lastSector) followed = true;
    else if (mark === 0 && firstNonZero(segment, sector, sector + sectorBytes) === undefined) missing ??= sector;
    else return damage(sector + markAt, "the sector's mark is wrong");
  }
  if (missing === undefined) return undefined;
  const behind = followed ? end : firstNonZero(segment, lastSector + sectorBytes, segment.length);
  if (behind !== undefined) return damage(missing, `an empty sector, though more was written at ${behind}`);
  return { kind: "torn", end: lastSector + sectorBytes };
};

/** Reads a place without a header: either nothing was written, or the first sector is missing. */
const readEmptyPlace = (segment: Uint8Array, start: number, previousStart: number | undefined): Found => {
  let rest = start;
  if (start % sectorBytes !== 0) {
    rest = sectorEnd(start);
    const beginsHere = previousStart !== undefined && sectorOf(previousStart) === sectorOf(start);
    if (segment[rest - 1] !== (beginsHere ? beginMark : goOnMark))
      return damage(rest - 1, "the sector's mark is wrong");
    const stray = firstNonZero(segment, start, rest - 1);
    if (stray !== undefined) return damage(stray, "bytes of no record");
  }
  let end: number | undefined;
  for (let at = firstNonZero(segment, rest, segment.length); at !== undefined;) {
    const sector = sectorOf(at);
    const mark = segment[sector + markAt];
    if (mark === beginMark) return damage(start, `no record, though a later one was begun at ${sector}`);
    if (mark !== goOnMark || sector === start) return damage(at, "bytes of no record");
    end = sector + sectorBytes;
    at = firstNonZero(segment, end, segment.length);
  }
  return end === undefined ? { kind: "end" } : { kind: "torn", end };
};

/** Returns the bytes that end the log at `start`, up to `end`: zeros, with the first sector's mark as it was. */
export const blankSectors = (start: number, end: number, previousStart: number): Uint8Array => {
  const bytes = new Uint8Array(end - start);
  if (start % sectorBytes !== 0)
    bytes[sectorEnd(start) - 1 - start] = sectorOf(previousStart) === sectorOf(start) ? beginMark : goOnMark;
  return bytes;
};

const zeros = new Uint8Array(64 * 1024);

const firstNonZero = (bytes: Uint8Array, from: number, to: number): number | undefined => {
  let at = from;
  // The rest of a segment, up to 16 MiB of zeros, is read at each start: comparing pieces is far faster than a loop over bytes.
  while (to - at >= zeros.length && Buffer.compare(bytes.subarray(at, at + zeros.length), zeros) === 0)
    at += zeros.length;
  for (; at < to; at++) if (bytes[at] !== 0) return at;
  return undefined;
};

const damage = (offset: number, reason: string): Found => ({ kind: "damage", offset, reason });

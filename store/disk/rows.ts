// The format of the store's rows in LevelDB. The first byte of the row key is the kind of row:
//
//   k ‖ main ‖ _ ‖ sub    →  block ‖ crc32      consecutive changes of keys, from this position on
//   l ‖ lease id          →  lease ‖ crc32      TTL and generation of one lease
//   m ‖ name              →  value ‖ crc32      the store's format and state
//   r ‖ main ‖ _ ‖ sub    →  positions ‖ crc32  changes of the block at this position that a compaction has removed
//   t ‖ table ‖ 0 ‖ key   →  row ‖ crc32        a row of one of the applier's tables, which the store does not interpret
//
// main and sub are 8 bytes, big-endian, so blocks are in the order of their changes. The crc32 covers row key and value, as LevelDB
// verifies neither on a read. Blocks are described in `change-block.ts`.

import { crc32 } from "node:zlib";
import { DamagedError, type Key, keyFromBytes } from "../base/index.js";

/** The bytes that `sealRow` fills in at the end of a row. */
export const checksumSize = 4;

const changePrefix = 0x6b; // k
/** The first byte of the row key of a lease. */
export const leasePrefix = 0x6c; // l
const metaPrefix = 0x6d; // m
const removedPrefix = 0x72; // r
const tablePrefix = 0x74; // t
const underscore = 0x5f;
const tombstoneMark = 0x74; // t
const blockKeySize = 18;
const above32Bits = 2 ** 32;

/** The position of a change in the history: its revision, and its number in that revision, from 0. */
export interface Position {
  readonly main: number;
  readonly sub: number;
}

/** Compares positions in the order of the changes. */
export const comparePositions = (a: Position, b: Position): number => a.main - b.main || a.sub - b.sub;

/** Encodes the row key of the block that begins at a position. */
export const changeRowKey = (begin: Position): Buffer => blockRowKey(changePrefix, begin);

/** Encodes the row key of a block's list of removed changes. */
export const removedRowKey = (begin: Position): Buffer => blockRowKey(removedPrefix, begin);

function blockRowKey(prefix: number, { main, sub }: Position): Buffer {
  const key = Buffer.allocUnsafe(blockKeySize);
  key[0] = prefix;
  writePosition(key, main, sub, 1);
  return key;
}

function writePosition(key: Buffer, main: number, sub: number, at: number): void {
  key.writeUInt32BE(Math.floor(main / above32Bits), at);
  key.writeUInt32BE(main % above32Bits, at + 4);
  key[at + 8] = underscore;
  key.writeUInt32BE(Math.floor(sub / above32Bits), at + 9);
  key.writeUInt32BE(sub % above32Bits, at + 13);
}

/** Encodes etcd's key for a change, which HashKV hashes. */
export function etcdRowKey({ main, sub }: Position, tombstone: boolean): Buffer {
  const key = Buffer.allocUnsafe(blockKeySize - 1 + (tombstone ? 1 : 0));
  writePosition(key, main, sub, 0);
  if (tombstone) key[blockKeySize - 1] = tombstoneMark;
  return key;
}

/** Returns the first possible row key of a block that begins with revision `main`. */
export const firstRowKeyOf = (main: number): Buffer => changeRowKey({ main, sub: 0 });
/** A row key after those of all changes. */
export const endOfChanges = Buffer.of(changePrefix + 1);

/** The range of all lists of removed changes. */
export const allRemoved = { from: Buffer.of(removedPrefix), to: Buffer.of(removedPrefix + 1) } as const;

/** The range of all rows. */
export const allRows = { from: Buffer.of(0), to: Buffer.of(0xff) } as const;

/** Encodes the row key of a named row. */
export const metaRowKey = (name: string): Buffer => Buffer.concat([Buffer.of(metaPrefix), Buffer.from(name, "latin1")]);

/** The range of the rows of all tables. */
export const allTables = { from: Buffer.of(tablePrefix), to: Buffer.of(tablePrefix + 1) } as const;

/** The table and the key of a row in the applier's tables. */
export interface TablePosition {
  /** Not empty, and without a zero byte. */
  readonly table: string;
  readonly key: Key;
}

/** Encodes the row key of a table's row. @throws RangeError if `table` is no name of a table */
export function tableRowKey({ table, key }: TablePosition): Uint8Array {
  if (table === "" || table.includes("\0")) throw new RangeError(`Cannot name a table ${JSON.stringify(table)}`);
  return Buffer.concat([Buffer.of(tablePrefix), Buffer.from(`${table}\0${key}`, "latin1")]);
}

/** Parses the row key of a table's row; undefined if it is another one. */
export function parseTableRowKey(rowKey: Uint8Array): TablePosition | undefined {
  const end = rowKey.indexOf(0);
  if (rowKey[0] !== tablePrefix || end < 2) return undefined;
  return { table: keyFromBytes(rowKey.subarray(1, end)), key: keyFromBytes(rowKey.subarray(end + 1)) };
}

/** Parses the row key of a block or of its removed changes; undefined if it is another one. */
export function parseBlockRowKey(rowKey: Uint8Array): Position | undefined {
  if (rowKey[0] !== changePrefix && rowKey[0] !== removedPrefix) return undefined;
  if (rowKey.length !== blockKeySize || rowKey[9] !== underscore) return undefined;
  const main = uint32At(rowKey, 1) * above32Bits + uint32At(rowKey, 5);
  const sub = uint32At(rowKey, 10) * above32Bits + uint32At(rowKey, 14);
  return { main, sub };
}

/** Reads 4 bytes, big-endian. A start reads many rows, and a DataView per row costs more than its use. */
const uint32At = (bytes: Uint8Array, at: number): number =>
  ((Number(bytes[at]) << 24) | (Number(bytes[at + 1]) << 16) | (Number(bytes[at + 2]) << 8) | Number(bytes[at + 3])) >>>
  0;

/** Fills in the checksum: the last `checksumSize` bytes of `row`. */
export function sealRow(rowKey: Uint8Array, row: Uint8Array): void {
  const end = row.length - checksumSize;
  const sum = crc32(row.subarray(0, end), crc32(rowKey));
  row[end] = sum >>> 24;
  row[end + 1] = sum >>> 16;
  row[end + 2] = sum >>> 8;
  row[end + 3] = sum;
}

/** Encodes a row with `content` and a checksum. */
export function encodeRow(rowKey: Uint8Array, content: Uint8Array): Uint8Array {
  const row = new Uint8Array(content.length + checksumSize);
  row.set(content);
  sealRow(rowKey, row);
  return row;
}

/**
 * Returns the content of a row that was read from disk.
 *
 * @param place the store's name, for the message
 * @throws DamagedError if the checksum is wrong
 */
export function openRow(place: string, rowKey: Uint8Array, row: Uint8Array): Uint8Array {
  const end = row.length - checksumSize;
  if (end < 0) throw new DamagedError(nameOfRow(place, rowKey), `it has only ${row.length} bytes`);
  const content = row.subarray(0, end);
  const stored = uint32At(row, end);
  const computed = crc32(content, crc32(rowKey));
  if (stored !== computed)
    throw new DamagedError(nameOfRow(place, rowKey), `checksum is ${hex(computed)}, expected ${hex(stored)}`);
  return content;
}

/** Names a row in messages; a block by its position: `row 12_0 of /var/lib/…`. */
export function nameOfRow(place: string, rowKey: Uint8Array): string {
  const begin = parseBlockRowKey(rowKey);
  if (begin !== undefined) {
    const removed = rowKey[0] === removedPrefix ? "removals from " : "";
    return `${removed}row ${begin.main}_${begin.sub} of ${place}`;
  }
  return `row ${JSON.stringify(Buffer.from(rowKey).toString("latin1"))} of ${place}`;
}

const hex = (sum: number): string => sum.toString(16).padStart(8, "0");

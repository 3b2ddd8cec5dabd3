// The store's keyspace on `level`. There are four kinds of rows, told apart by the first byte:
//
//   k ‖ main ‖ _ ‖ sub [‖ t]  →  KeyValue ‖ crc32      one change of one key; `t`: it was deleted (only `key` is set)
//   l ‖ lease id              →  lease ‖ crc32         TTL and generation of one lease
//   m ‖ name                  →  value ‖ crc32         what the store knows of itself
//   t ‖ table ‖ 0 ‖ key       →  row ‖ crc32           a row of one of the applier's tables, which the store does not interpret
//
// main and sub are 8 bytes, big-endian: rows lie in the order in which the changes happened. Behind its first byte a
// change's row key is etcd's own. The crc32 covers row key and value, as `level` verifies neither when it reads.

import { crc32 } from "node:zlib";
import { DamagedError, type Key, keyFromBytes } from "../base/index.js";

/** Bytes that `sealRow` fills in at the end of a row. */
export const checksumSize = 4;

const changePrefix = 0x6b; // k
/** First byte of the row key of a lease. */
export const leasePrefix = 0x6c; // l
const metaPrefix = 0x6d; // m
const tablePrefix = 0x74; // t
const underscore = 0x5f;
const tombstoneMark = 0x74; // t
const changeKeySize = 18;
const above32Bits = 2 ** 32;

/** The place of a change: its revision, and its number within it. */
export interface RowPosition {
  readonly main: number;
  readonly sub: number;
  readonly tombstone: boolean;
}

/** Encodes the row key of a change. */
export function changeRowKey(main: number, sub: number, tombstone: boolean): Buffer {
  const key = Buffer.allocUnsafe(changeKeySize + (tombstone ? 1 : 0));
  key[0] = changePrefix;
  key.writeUInt32BE(Math.floor(main / above32Bits), 1);
  key.writeUInt32BE(main % above32Bits, 5);
  key[9] = underscore;
  key.writeUInt32BE(Math.floor(sub / above32Bits), 10);
  key.writeUInt32BE(sub % above32Bits, 14);
  if (tombstone) key[changeKeySize] = tombstoneMark;
  return key;
}

/** The first possible row key of the changes of revision `main`. */
export const firstRowKeyOf = (main: number): Buffer => changeRowKey(main, 0, false);
/** A row key behind those of all changes. */
export const endOfChanges = Buffer.of(changePrefix + 1);

/** Every row of every kind. */
export const allRows = { from: Buffer.of(0), to: Buffer.of(0xff) } as const;

/** Encodes the row key of a named row. */
export const metaRowKey = (name: string): Buffer => Buffer.concat([Buffer.of(metaPrefix), Buffer.from(name, "latin1")]);

/** The rows of all tables. */
export const allTables = { from: Buffer.of(tablePrefix), to: Buffer.of(tablePrefix + 1) } as const;

/** The place of a row in the applier's tables. */
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

/** Undefined: not the key of a table's row. */
export function parseTableRowKey(rowKey: Uint8Array): TablePosition | undefined {
  const end = rowKey.indexOf(0);
  if (rowKey[0] !== tablePrefix || end < 2) return undefined;
  return { table: keyFromBytes(rowKey.subarray(1, end)), key: keyFromBytes(rowKey.subarray(end + 1)) };
}

/** etcd's key for the change: what HashKV hashes. */
export const etcdRowKey = (rowKey: Uint8Array): Uint8Array => rowKey.subarray(1);

/** Undefined: not the key of a change. */
export function parseChangeRowKey(rowKey: Uint8Array): RowPosition | undefined {
  const tombstone = rowKey.length === changeKeySize + 1 && rowKey[changeKeySize] === tombstoneMark;
  if (rowKey[0] !== changePrefix || rowKey[9] !== underscore) return undefined;
  if (rowKey.length !== changeKeySize && !tombstone) return undefined;
  const main = uint32At(rowKey, 1) * above32Bits + uint32At(rowKey, 5);
  const sub = uint32At(rowKey, 10) * above32Bits + uint32At(rowKey, 14);
  return { main, sub, tombstone };
}

/** Big-endian. A start reads millions of rows: a DataView for each would cost more than what is read with it. */
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

/** A row of its own for `content`, sealed. */
export function sealedRow(rowKey: Uint8Array, content: Uint8Array): Uint8Array {
  const row = new Uint8Array(content.length + checksumSize);
  row.set(content);
  sealRow(rowKey, row);
  return row;
}

/**
 * Returns the value of a row that was read from disk.
 *
 * @param place the store's name, for the message
 * @throws DamagedError if it is not what was written
 */
export function openRow(place: string, rowKey: Uint8Array, row: Uint8Array): Uint8Array {
  const end = row.length - checksumSize;
  if (end < 0) throw new DamagedError(nameOfRow(place, rowKey), `only ${row.length} bytes`);
  const content = row.subarray(0, end);
  const stored = uint32At(row, end);
  const computed = crc32(content, crc32(rowKey));
  if (stored !== computed)
    throw new DamagedError(nameOfRow(place, rowKey), `checksum is ${hex(computed)}, was ${hex(stored)} when written`);
  return content;
}

/** Names a row in messages: `row 12_0 of /var/lib/…`. */
export function nameOfRow(place: string, rowKey: Uint8Array): string {
  const position = parseChangeRowKey(rowKey);
  if (position !== undefined) return `row ${position.main}_${position.sub}${position.tombstone ? "t" : ""} of ${place}`;
  return `row ${JSON.stringify(Buffer.from(rowKey).toString("latin1"))} of ${place}`;
}

const hex = (sum: number): string => sum.toString(16).padStart(8, "0");

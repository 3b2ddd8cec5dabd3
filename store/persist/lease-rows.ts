// A lease on disk:  l ‖ id  →  TTL ‖ generation ‖ crc32,  each number 8 bytes, big-endian. After a checkpoint the
// remaining seconds follow the generation. The attached keys are not listed: each key names its lease.

import {
  leaseCountRow,
  leasePrefix,
  nameOfRow,
  openRow,
  type Pause,
  type Row,
  type Rows,
  encodeRow,
  visitRows,
} from "../disk/index.js";
import { DamagedError, type LeaseId, leaseIdFrom } from "../base/index.js";
import type { Lease, Leases } from "../mvcc/index.js";

/** The bytes of a lease without and with a checkpoint. */
const contentSize = 16;
const checkpointedSize = 24;

/** Encodes the row key of a lease. */
export function leaseRowKey(id: LeaseId): Uint8Array {
  const key = Buffer.alloc(9);
  key[0] = leasePrefix;
  key.writeBigInt64BE(id, 1);
  return key;
}

/** Encodes a lease as a row. */
export function leaseRow(rowKey: Uint8Array, { ttlSeconds, generation, remainingSeconds }: Lease): Uint8Array {
  const content = Buffer.alloc(remainingSeconds === undefined ? contentSize : checkpointedSize);
  content.writeBigUInt64BE(BigInt(ttlSeconds));
  content.writeBigUInt64BE(BigInt(generation), 8);
  if (remainingSeconds !== undefined) content.writeBigUInt64BE(BigInt(remainingSeconds), contentSize);
  return encodeRow(rowKey, content);
}

/**
 * Reads all leases; their keys are attached later.
 *
 * @throws DamagedError if a row is missing or differs from the written one
 */
export async function readLeases(rows: Rows, leases: Leases, pause: Pause): Promise<void> {
  const range = { from: Buffer.of(leasePrefix), to: Buffer.of(leasePrefix + 1) };
  await visitRows(rows, range, pause, (row) => {
    leases.add(parse(rows.name, row));
    return 1;
  });
  const expected = leaseCountRow.get(rows) ?? 0;
  if (leases.size !== expected) throw new DamagedError(rows.name, `it has ${leases.size} leases, expected ${expected}`);
}

function parse(place: string, [rowKey, row]: Row): Lease {
  const content = openRow(place, rowKey, row);
  if (rowKey.length !== 9 || (content.length !== contentSize && content.length !== checkpointedSize))
    throw new DamagedError(nameOfRow(place, rowKey), "not the row of a lease");
  const bytes = Buffer.from(content);
  return {
    id: leaseIdFrom(Buffer.from(rowKey).readBigInt64BE(1)),
    ttlSeconds: Number(bytes.readBigUInt64BE()),
    generation: Number(bytes.readBigUInt64BE(8)),
    remainingSeconds: content.length === contentSize ? undefined : Number(bytes.readBigUInt64BE(contentSize)),
  };
}

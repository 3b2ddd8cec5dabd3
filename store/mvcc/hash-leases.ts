import { crc32c } from "../disk/index.js";
import { type Sliced, sortInSlices } from "../base/index.js";
import type { Lease } from "./leases.js";

/** Bytes of a lease that are hashed: id and TTL. */
const leaseBytes = 16;
const leasesPerLook = 50;

/**
 * Goes on with a checksum over leases, by id: CRC-32C over id and TTL of each.
 *
 * @param shouldYield told how many leases were visited since it was asked last; true: others are to run
 */
export function* hashLeases(
  leases: readonly Lease[],
  sum: number,
  shouldYield: (entries: number) => boolean,
): Sliced<number> {
  const sorted = yield* sortInSlices([...leases], (a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0), shouldYield);
  const bytes = Buffer.alloc(leaseBytes);
  let visited = 0;
  for (const { id, ttlSeconds } of sorted) {
    bytes.writeBigInt64BE(id, 0);
    bytes.writeBigInt64BE(BigInt(ttlSeconds), 8);
    sum = crc32c(bytes, sum);
    if (++visited % leasesPerLook === 0 && shouldYield(leasesPerLook)) yield;
  }
  return sum;
}

import { crc32c } from "../disk/index.js";
import { type Sliced, sortInSlices, type ShouldYield } from "../base/index.js";
import type { Lease } from "./leases.js";

/** The hashed bytes of a lease: id and TTL, 8 bytes each. */
const leaseBytes = 16;
/** The leases hashed between two calls of `shouldYield`. */
const leasesPerCheck = 50;

/**
 * Continues a checksum over leases: CRC-32C over id and TTL of each lease, in the order of their ids.
 *
 * @param sum the checksum so far
 * @param shouldYield called with the number of leases visited since its last call; true: yield to other work
 */
export function* hashLeases(leases: readonly Lease[], sum: number, shouldYield: ShouldYield): Sliced<number> {
  const sorted = yield* sortInSlices([...leases], (a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0), shouldYield);
  const bytes = Buffer.alloc(leaseBytes);
  let visited = 0;
  for (const { id, ttlSeconds } of sorted) {
    bytes.writeBigInt64BE(id, 0);
    bytes.writeBigInt64BE(BigInt(ttlSeconds), 8);
    sum = crc32c(bytes, sum);
    if (++visited % leasesPerCheck === 0 && shouldYield(leasesPerCheck)) yield;
  }
  return sum;
}

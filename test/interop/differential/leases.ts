// Requests about leases with few ids, and the comparable part of the answers.
import fc from "fast-check";
import type { LeaseGrantRequest, PutRequest } from "../../../proto/index.js";
import { choose, list, seldom, mostly } from "./chance.js";
import { key, value } from "./keys.js";
import type { Fields, Request } from "./requests.js";
import { lateOf, highest, type Late, lowest } from "./revisions.js";

/** Ids below those that servers pick. */
const knownId = choose([8, fc.constantFrom(1n, 2n, 3n)], [1, fc.constantFrom(-1n, lowest)]);
export const leaseId = choose([12, knownId], [1, fc.constantFrom(0n, 99n)]);

/** TTLs longer than any run. */
const longTtl = fc.constantFrom(600n, 3_600n, 7_200n, 9_000_000_000n);
const shortTtl = fc.constantFrom(1n, 0n, -1n, lowest);
const hugeTtl = fc.constantFrom(9_000_000_001n, highest);

type Steps = readonly Late<Request>[];
const grantOf = (message: LeaseGrantRequest): Late<Request> => lateOf({ method: "leaseGrant", message });

export const grant: fc.Arbitrary<Steps> = fc
  .record({
    ID: choose([12, knownId], [1, fc.constant(0n)]),
    TTL: mostly(600n, 2, choose([9, longTtl], [1, hugeTtl])),
  })
  .map((message) => [grantOf(message)]);
export const revoke: fc.Arbitrary<Steps> = leaseId.map((ID) => [lateOf({ method: "leaseRevoke", message: { ID } })]);
/** A lease that is granted for seconds, and revoked before it expires. */
export const briefGrant: fc.Arbitrary<Steps> = fc
  .record({ ID: knownId, TTL: shortTtl })
  .map((message) => [grantOf(message), lateOf({ method: "leaseRevoke", message: { ID: message.ID } })]);
export const timeToLive: fc.Arbitrary<Steps> = fc
  .record({ ID: leaseId, keys: fc.boolean() })
  .map((message) => [lateOf({ method: "leaseTimeToLive", message })]);
export const keepAlive: fc.Arbitrary<Steps> = list(leaseId, 0, 4).map((ids) => [
  lateOf({ method: "leaseKeepAlive", message: { ids } }),
]);
export const listLeases: Late<Request> = lateOf({ method: "leaseLeases", message: {} });
/** Reads all remaining leases, with their keys. */
export const lookAtLeases: Steps = [
  listLeases,
  ...[1n, 2n, 3n, -1n, lowest].map((ID) => lateOf<Request>({ method: "leaseTimeToLive", message: { ID, keys: true } })),
];

/** Puts, a third of them with a lease. */
export const leasedPut: fc.Arbitrary<PutRequest> = fc.record({
  key,
  value,
  lease: mostly(0n, 3, choose([30, knownId], [1, fc.constant(99n)])),
  prevKv: seldom(3),
  ignoreValue: fc.constant(false),
  ignoreLease: fc.constant(false),
});

/** The id shown for all ids that servers pick. */
const picked = 2n ** 40n;
const showId = (id: bigint) => (id >= 2n ** 32n ? picked : id);

/** Seconds of a lease's TTL that may have passed before a request. */
const maxUsedSeconds = 60n;

function showTtl({ TTL, grantedTTL }: { TTL: bigint; grantedTTL: bigint }): bigint {
  return TTL <= grantedTTL && TTL >= grantedTTL - maxUsedSeconds ? grantedTTL : TTL;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** Returns an answer without picked ids and elapsed seconds, and with its keys sorted. */
export function comparableLeaseOf({ method }: Request, message: Fields): Fields {
  if (method === "leaseGrant") return { ...message, ID: showId(message["ID"] as bigint) };
  if (method === "leaseLeases") {
    const leases = message["leases"] as readonly { ID: bigint }[];
    return { ...message, leases: leases.map(({ ID }) => ({ ID: showId(ID) })) };
  }
  if (method !== "leaseTimeToLive") return message;
  const fields = message as unknown as { TTL: bigint; grantedTTL: bigint; keys: readonly Uint8Array[] };
  if (fields.TTL < 0n) return message;
  const keys = [...fields.keys].sort((a, b) => (hex(a) < hex(b) ? -1 : 1));
  return { ...message, TTL: showTtl(fields), keys };
}

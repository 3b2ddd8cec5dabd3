// Cells about leases: the keys attached to a lease determine who may renew, revoke and read it.
import type { Call } from "./calls.js";
import { bytes } from "./operations.js";

/** A lease, and the keys attached to it. */
export interface MatrixLease {
  readonly name: string;
  readonly id: bigint;
  readonly keys: readonly string[];
}

/** The leases of the matrix; no key is attached to two of them. */
export const matrixLeases: readonly MatrixLease[] = [
  { name: "lease without keys", id: 1n, keys: [] },
  { name: "lease of the first key", id: 2n, keys: ["f"] },
  { name: "lease within", id: 3n, keys: ["g", "h", "i"] },
  { name: "lease of the prefix", id: 4n, keys: ["f/x"] },
  { name: "lease across the end", id: 5n, keys: ["l\xff", "m"] },
  { name: "lease of another", id: 6n, keys: ["a"] },
];

const ttl = 100_000n;

/** Returns the calls that grant a lease and attach its keys. */
export const furnish = ({ id, keys }: MatrixLease): Call[] => [
  { method: "Lease/LeaseGrant", fields: { ID: id, TTL: ttl } },
  ...keys.map((key): Call => ({ method: "KV/Put", fields: { key: bytes(key), value: bytes("v"), lease: id } })),
];

export interface LeaseOperation {
  readonly name: string;
  readonly method: string;
  readonly fields: (lease: MatrixLease) => object;
}

const putUnder = (key: string, lease: bigint) => ({ key: bytes(key), value: bytes("v"), lease });
const putOp = (key: string, lease: bigint) => ({ request: { $case: "requestPut", value: putUnder(key, lease) } });

/** Operations that change neither leases nor keys. */
export const looks: readonly LeaseOperation[] = [
  { name: "time to live", method: "Lease/LeaseTimeToLive", fields: ({ id }) => ({ ID: id }) },
  { name: "time to live with keys", method: "Lease/LeaseTimeToLive", fields: ({ id }) => ({ ID: id, keys: true }) },
  { name: "grant again", method: "Lease/LeaseGrant", fields: ({ id }) => ({ ID: id, TTL: ttl }) },
  { name: "time to live of none", method: "Lease/LeaseTimeToLive", fields: () => ({ ID: 99n, keys: true }) },
  { name: "revoke none", method: "Lease/LeaseRevoke", fields: () => ({ ID: 99n }) },
  { name: "leases", method: "Lease/LeaseLeases", fields: () => ({}) },
];

/** Operations after which, if they succeed, the lease and its keys are restored. */
export const changes: readonly LeaseOperation[] = [
  { name: "put own key under", method: "KV/Put", fields: ({ id, keys }) => putUnder(keys[0] ?? "h", id) },
  { name: "put another key under", method: "KV/Put", fields: ({ id }) => putUnder("k", id) },
  {
    name: "txn that puts under",
    method: "KV/Txn",
    fields: ({ id }) => ({ failure: [{ request: { $case: "requestTxn", value: { success: [putOp("k", id)] } } }] }),
  },
  { name: "revoke", method: "Lease/LeaseRevoke", fields: ({ id }) => ({ ID: id }) },
];

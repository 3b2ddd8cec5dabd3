// Cells about leases: which keys a lease holds decides who may renew, revoke and look at it.
import type { Call } from "./calls.js";
import { bytes } from "./operations.js";

/** A lease, and the keys that hang on it. */
export interface MatrixLease {
  readonly name: string;
  readonly id: bigint;
  readonly keys: readonly string[];
}

/** No key hangs on two of them. */
export const matrixLeases: readonly MatrixLease[] = [
  { name: "lease without keys", id: 1n, keys: [] },
  { name: "lease of the first key", id: 2n, keys: ["f"] },
  { name: "lease within", id: 3n, keys: ["g", "h", "i"] },
  { name: "lease of the prefix", id: 4n, keys: ["f/x"] },
  { name: "lease across the end", id: 5n, keys: ["l\xff", "m"] },
  { name: "lease of another", id: 6n, keys: ["a"] },
];

const ttl = 100_000n;

/** Calls that make a lease, and hang its keys on it. */
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

/** Operations that leave leases and keys as they are. */
export const looks: readonly LeaseOperation[] = [
  { name: "time to live", method: "Lease/LeaseTimeToLive", fields: ({ id }) => ({ ID: id }) },
  { name: "time to live with keys", method: "Lease/LeaseTimeToLive", fields: ({ id }) => ({ ID: id, keys: true }) },
  { name: "grant again", method: "Lease/LeaseGrant", fields: ({ id }) => ({ ID: id, TTL: ttl }) },
  { name: "time to live of none", method: "Lease/LeaseTimeToLive", fields: () => ({ ID: 99n, keys: true }) },
  { name: "revoke none", method: "Lease/LeaseRevoke", fields: () => ({ ID: 99n }) },
  { name: "leases", method: "Lease/LeaseLeases", fields: () => ({}) },
];

/** Operations after which, where they succeed, all is furnished again. */
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

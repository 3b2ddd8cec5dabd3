// The encoded requests of each kind of load, as in comparisons with Go's client: few keys are read, many are written.

import {
  Compare_CompareResult,
  Compare_CompareTarget,
  LeaseKeepAliveRequest,
  PutRequest,
  RangeRequest,
  TxnRequest,
} from "../../proto/index.js";
import { frameMessage } from "./load-connection.js";

/** The kinds of loads, in the order of the tables. */
export const loadKinds = ["put", "get", "serializable get", "range", "txn", "mixed", "keep-alive", "watch"] as const;
export type LoadKind = (typeof loadKinds)[number];

/** The keys and values of a load. */
export interface LoadSizes {
  /** The number of keys that are written in turn. */
  readonly keys: number;
  readonly valueBytes: number;
}

/** An encoded request. */
export interface LoadRequest {
  readonly path: string;
  /** The request with gRPC's prefix. */
  readonly message: Buffer;
}

/** The number of keys that are read: few, as in the comparison with Go's client. */
const readKeys = 100;
/** The keys that a range returns, and those that it counts. */
const rangeKeys = 100;
const rangeCounts = 1_000;
export const prefix = "/bench/";
/** The first key after all keys with the prefix. */
export const prefixEnd = "/bench0";
/** The requests of the mixed load per put. */
const putShare = 10;
/** The number of different requests of a kind, which are sent in turn. Consecutive requests have distant keys. */
const variety = 10_000;
const stride = 7_919;

/** Returns key number `n`. */
export const keyOf = (n: number): Buffer => Buffer.from(`${prefix}${String(n).padStart(8, "0")}`);

/** The paths of the methods. */
export const paths = {
  put: "/etcdserverpb.KV/Put",
  range: "/etcdserverpb.KV/Range",
  txn: "/etcdserverpb.KV/Txn",
  grant: "/etcdserverpb.Lease/LeaseGrant",
  authenticate: "/etcdserverpb.Auth/Authenticate",
  keepAlive: "/etcdserverpb.Lease/LeaseKeepAlive",
  watch: "/etcdserverpb.Watch/Watch",
} as const;

/** Returns the requests of a kind, to be sent in turn. */
export const requestsOf = (kind: LoadKind, sizes: LoadSizes, lease = 0n): LoadRequest[] => {
  const count =
    kind === "put" || kind === "txn" || kind === "watch" ? Math.min(sizes.keys, variety) : readKeys * putShare;
  return Array.from({ length: count }, (_, n) => requestOf(kind, sizes, n, lease));
};

const requestOf = (kind: LoadKind, sizes: LoadSizes, n: number, lease: bigint): LoadRequest => {
  switch (kind) {
    case "put":
    case "watch":
      return put(n, sizes);
    case "get":
      return get(n, false);
    case "serializable get":
      return get(n, true);
    case "mixed":
      return n % putShare === 0 ? put(n, { ...sizes, keys: readKeys }) : get(n, false);
    case "range":
      return range({ key: keyOf(0), rangeEnd: keyOf(rangeCounts), limit: BigInt(rangeKeys) });
    case "txn":
      return txn(n, sizes);
    case "keep-alive":
      return {
        path: paths.keepAlive,
        message: frameMessage(LeaseKeepAliveRequest.encode(LeaseKeepAliveRequest.fromPartial({ ID: lease })).finish()),
      };
  }
};

const scatterKey = (n: number, keys: number): Buffer => keyOf((n * stride) % keys);

const put = (n: number, { keys, valueBytes }: LoadSizes): LoadRequest => ({
  path: paths.put,
  message: frameMessage(
    PutRequest.encode(
      PutRequest.fromPartial({ key: scatterKey(n, keys), value: Buffer.alloc(valueBytes, "v") }),
    ).finish(),
  ),
});

const get = (n: number, serializable: boolean): LoadRequest => range({ key: scatterKey(n, readKeys), serializable });

const range = (request: Parameters<typeof RangeRequest.fromPartial>[0]): LoadRequest => ({
  path: paths.range,
  message: frameMessage(RangeRequest.encode(RangeRequest.fromPartial(request)).finish()),
});

const txn = (n: number, { keys, valueBytes }: LoadSizes): LoadRequest => {
  const key = scatterKey(n, keys);
  const request = TxnRequest.fromPartial({
    compare: [
      {
        key,
        target: Compare_CompareTarget.VERSION,
        result: Compare_CompareResult.GREATER,
        targetUnion: { $case: "version", value: -1n },
      },
    ],
    success: [
      { request: { $case: "requestPut", value: { key, value: Buffer.alloc(valueBytes, "v") } } },
      { request: { $case: "requestRange", value: { key } } },
    ],
  });
  return { path: paths.txn, message: frameMessage(TxnRequest.encode(request).finish()) };
};

// The loads: one request of each, encoded. The same as those of clientv3-based comparisons: few keys are read, many are written.

import {
  Compare_CompareResult,
  Compare_CompareTarget,
  LeaseKeepAliveRequest,
  PutRequest,
  RangeRequest,
  TxnRequest,
} from "../../proto/index.js";
import { frameMessage } from "./load-connection.js";

/** Kinds of loads, in the order of the tables. */
export const loadKinds = ["put", "get", "serializable get", "range", "txn", "mixed", "keep-alive", "watch"] as const;
export type LoadKind = (typeof loadKinds)[number];

/** Keys and values of a load. */
export interface LoadSizes {
  /** Keys that are written in turn. */
  readonly keys: number;
  readonly valueBytes: number;
}

/** A request, ready to be sent. */
export interface LoadRequest {
  readonly path: string;
  /** Framed as gRPC does. */
  readonly message: Buffer;
}

/** Keys that are read: few, as in the comparison with Go's client. */
const readKeys = 100;
/** Keys of one answer of a range, and those that it counts. */
const rangeKeys = 100;
const rangeCounts = 1_000;
export const prefix = "/bench/";
/** The key behind all with the prefix. */
export const prefixEnd = "/bench0";
/** One request in so many of the mixed load is a put. */
const putShare = 10;
/** Requests of a kind, which are sent again and again; scattered, as real ones are. */
const variety = 10_000;
const stride = 7_919;

/** @returns the key of number `n` */
export const keyOf = (n: number): Buffer => Buffer.from(`${prefix}${String(n).padStart(8, "0")}`);

export const paths = {
  put: "/etcdserverpb.KV/Put",
  range: "/etcdserverpb.KV/Range",
  txn: "/etcdserverpb.KV/Txn",
  grant: "/etcdserverpb.Lease/LeaseGrant",
  authenticate: "/etcdserverpb.Auth/Authenticate",
  keepAlive: "/etcdserverpb.Lease/LeaseKeepAlive",
  watch: "/etcdserverpb.Watch/Watch",
} as const;

/** @returns the requests of a kind, to be sent in turn */
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

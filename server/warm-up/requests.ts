// The most frequent kinds of requests, encoded as clients send them.

import {
  Compare_CompareResult,
  Compare_CompareTarget,
  LeaseGrantRequest,
  LeaseKeepAliveRequest,
  PutRequest,
  RangeRequest,
  TxnRequest,
  WatchRequest,
} from "../../proto/index.js";
import type { EncodedCall } from "./grpc-client.js";

const servicePaths = {
  createPutCall: "/etcdserverpb.KV/Put",
  createRangeCall: "/etcdserverpb.KV/Range",
  createTxnCall: "/etcdserverpb.KV/Txn",
  grant: "/etcdserverpb.Lease/LeaseGrant",
  keepAlive: "/etcdserverpb.Lease/LeaseKeepAlive",
} as const;
/** The path of etcd's Watch. */
export const watchPath = "/etcdserverpb.Watch/Watch";

/** The number of written keys. */
const keyCount = 128;
/** The number of keys in the answer to a range. */
const rangeKeys = 100n;
/** The number of different calls of each kind. */
const varieties = {
  put: keyCount,
  get: keyCount,
  serializableGet: keyCount,
  range: 1,
  txn: keyCount,
  keepAlive: 1,
  watchedPut: 16,
};
const value = Buffer.alloc(256, "v");
const leaseId = 7n;

const keyOf = (n: number): Buffer => Buffer.from(`/warm-up/keys/${String(n).padStart(8, "0")}`);
const toWatchedKey = (n: number): Buffer => Buffer.from(`/warm-up/watched/${n}`);

/** Puts gRPC's prefix before a message: a byte for "not compressed", four for the length. */
const frameMessage = (message: Uint8Array): Buffer => {
  const bytes = Buffer.alloc(5 + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, 5);
  return bytes;
};

const createCall = (path: string, message: { finish(): Uint8Array }, isStream = false): EncodedCall => ({
  path,
  message: frameMessage(message.finish()),
  isStream,
});

const put = (key: Buffer): EncodedCall =>
  createCall(servicePaths.createPutCall, PutRequest.encode(PutRequest.fromPartial({ key, value })));

const range = (request: Parameters<typeof RangeRequest.fromPartial>[0]): EncodedCall =>
  createCall(servicePaths.createRangeCall, RangeRequest.encode(RangeRequest.fromPartial(request)));

/** Creates a transaction with a compare, a put and a get. */
const txn = (key: Buffer): EncodedCall =>
  createCall(
    servicePaths.createTxnCall,
    TxnRequest.encode(
      TxnRequest.fromPartial({
        compare: [
          {
            key,
            result: Compare_CompareResult.GREATER,
            target: Compare_CompareTarget.VERSION,
            targetUnion: { $case: "version", value: -1n },
          },
        ],
        success: [
          { request: { $case: "requestPut", value: { key, value } } },
          { request: { $case: "requestRange", value: { key } } },
        ],
      }),
    ),
  );

/** The functions that create the call with number `n` of each kind. */
const creators = {
  put: (n: number) => put(keyOf(n)),
  get: (n: number) => range({ key: keyOf(n) }),
  serializableGet: (n: number) => range({ key: keyOf(n), serializable: true }),
  range: () => range({ key: keyOf(0), rangeEnd: keyOf(keyCount), limit: rangeKeys }),
  txn: (n: number) => txn(keyOf(n)),
  keepAlive: () => createCall(servicePaths.keepAlive, LeaseKeepAliveRequest.encode({ ID: leaseId }), true),
  watchedPut: (n: number) => put(toWatchedKey(n)),
} as const satisfies Readonly<Record<string, (n: number) => EncodedCall>>;

/** The kinds of calls. */
export type CallKind = keyof typeof creators;

/** The calls of one kind. Each is encoded when it is sent first; after the last one, the first is sent again. */
export class Calls {
  private readonly encoded: EncodedCall[] = [];
  private sent = 0;

  constructor(private readonly kind: CallKind) {}

  /** The number of calls that `next` has returned. */
  get count(): number {
    return this.sent;
  }

  next(): EncodedCall {
    const n = this.sent++ % varieties[this.kind];
    return (this.encoded[n] ??= creators[this.kind](n));
  }
}

/** Creates the call that grants the lease for the keep-alives. */
export const createGrantCall = (): EncodedCall =>
  createCall(servicePaths.grant, LeaseGrantRequest.encode({ TTL: 3_600n, ID: leaseId }));

/** Creates the message that creates a watcher of the watched keys. */
export const createWatchMessage = (): Buffer => {
  const request = { key: toWatchedKey(0), rangeEnd: Buffer.from("/warm-up/watched0") };
  const message = WatchRequest.fromPartial({ requestUnion: { $case: "createRequest", value: request } });
  return frameMessage(WatchRequest.encode(message).finish());
};

const host = "Host: 127.0.0.1:2379";

/** Creates a put through the JSON gateway. */
export const createGatewayPut = (): string => {
  const body = JSON.stringify({ key: keyOf(0).toString("base64"), value: value.toString("base64") });
  const fields = [host, "Content-Type: application/json", `Content-Length: ${body.length}`];
  return ["POST /v3/kv/put HTTP/1.1", ...fields, "", body].join("\r\n");
};

/** Creates a request for the metrics, as Prometheus sends it. */
export const createScrape = (): string => ["GET /metrics HTTP/1.1", host, "Accept-Encoding: gzip", "", ""].join("\r\n");

// Requests of each hot kind, encoded as clients send them.

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
  put: "/etcdserverpb.KV/Put",
  range: "/etcdserverpb.KV/Range",
  txn: "/etcdserverpb.KV/Txn",
  grant: "/etcdserverpb.Lease/LeaseGrant",
  keepAlive: "/etcdserverpb.Lease/LeaseKeepAlive",
} as const;
export const watchPath = "/etcdserverpb.Watch/Watch";

/** Keys that are written, and keys of one answer of a range. */
const keyCount = 128;
const rangeKeys = 100n;
/** Different calls of each kind. */
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
const watchedKeyOf = (n: number): Buffer => Buffer.from(`/warm-up/watched/${n}`);

/** Frames a message as gRPC does. */
const framed = (message: Uint8Array): Buffer => {
  const bytes = Buffer.alloc(5 + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, 5);
  return bytes;
};

const callOf = (path: string, message: { finish(): Uint8Array }, isStream = false): EncodedCall => ({
  path,
  message: framed(message.finish()),
  isStream,
});

const put = (key: Buffer): EncodedCall =>
  callOf(servicePaths.put, PutRequest.encode(PutRequest.fromPartial({ key, value })));

const range = (request: Parameters<typeof RangeRequest.fromPartial>[0]): EncodedCall =>
  callOf(servicePaths.range, RangeRequest.encode(RangeRequest.fromPartial(request)));

/** Compares, puts and gets. */
const txn = (key: Buffer): EncodedCall =>
  callOf(
    servicePaths.txn,
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

/** Makes the calls of each kind, by their number. */
const makers = {
  put: (n: number) => put(keyOf(n)),
  get: (n: number) => range({ key: keyOf(n) }),
  serializableGet: (n: number) => range({ key: keyOf(n), serializable: true }),
  range: () => range({ key: keyOf(0), rangeEnd: keyOf(keyCount), limit: rangeKeys }),
  txn: (n: number) => txn(keyOf(n)),
  keepAlive: () => callOf(servicePaths.keepAlive, LeaseKeepAliveRequest.encode({ ID: leaseId }), true),
  watchedPut: (n: number) => put(watchedKeyOf(n)),
} as const satisfies Readonly<Record<string, (n: number) => EncodedCall>>;

/** The kinds of calls. */
export type CallKind = keyof typeof makers;

/** The calls of one kind, encoded when they are first sent, and sent again in turn. */
export class Calls {
  private readonly made: EncodedCall[] = [];
  private sent = 0;

  constructor(private readonly kind: CallKind) {}

  /** The number of calls that were given out. */
  get count(): number {
    return this.sent;
  }

  next(): EncodedCall {
    const n = this.sent++ % varieties[this.kind];
    return (this.made[n] ??= makers[this.kind](n));
  }
}

/** Makes the call that grants the lease of the keep-alives. */
export const grantCall = (): EncodedCall =>
  callOf(servicePaths.grant, LeaseGrantRequest.encode({ TTL: 3_600n, ID: leaseId }));

/** Makes the message that creates a watcher of the watched keys. */
export const watcherMessage = (): Buffer => {
  const request = { key: watchedKeyOf(0), rangeEnd: Buffer.from("/warm-up/watched0") };
  const message = WatchRequest.fromPartial({ requestUnion: { $case: "createRequest", value: request } });
  return framed(WatchRequest.encode(message).finish());
};

const host = "Host: 127.0.0.1:2379";

/** Makes a put through the JSON gateway. */
export const gatewayPut = (): string => {
  const body = JSON.stringify({ key: keyOf(0).toString("base64"), value: value.toString("base64") });
  const fields = [host, "Content-Type: application/json", `Content-Length: ${body.length}`];
  return ["POST /v3/kv/put HTTP/1.1", ...fields, "", body].join("\r\n");
};

/** Makes a scrape of the metrics, as Prometheus asks for them. */
export const scrape = (): string => ["GET /metrics HTTP/1.1", host, "Accept-Encoding: gzip", "", ""].join("\r\n");

// The requests of the sequences, which are sent as bytes, so that no check happens before the server's.
import {
  Client,
  type ClientDuplexStream,
  credentials,
  type ServiceError,
  type StatusObject,
  status,
} from "@grpc/grpc-js";
import {
  type CompactionRequest,
  type DeleteRangeRequest,
  type HashKVRequest,
  KVDefinition,
  LeaseDefinition,
  type LeaseGrantRequest,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  type LeaseLeasesRequest,
  type LeaseRevokeRequest,
  type LeaseTimeToLiveRequest,
  MaintenanceDefinition,
  type MessageFns,
  type PutRequest,
  type RangeRequest,
  type TxnRequest,
  WatchDefinition,
  WatchRequest,
  WatchResponse,
} from "../../../proto/index.js";
import { scaleMs } from "../../support/machine-speed.js";

export type Request =
  | { readonly method: "range"; readonly message: RangeRequest }
  | { readonly method: "put"; readonly message: PutRequest }
  | { readonly method: "deleteRange"; readonly message: DeleteRangeRequest }
  | { readonly method: "txn"; readonly message: TxnRequest }
  | { readonly method: "compact"; readonly message: CompactionRequest }
  | { readonly method: "hashKV"; readonly message: HashKVRequest }
  | { readonly method: "leaseGrant"; readonly message: LeaseGrantRequest }
  | { readonly method: "leaseRevoke"; readonly message: LeaseRevokeRequest }
  | { readonly method: "leaseTimeToLive"; readonly message: LeaseTimeToLiveRequest }
  | { readonly method: "leaseLeases"; readonly message: LeaseLeasesRequest }
  | { readonly method: "leaseKeepAlive"; readonly message: KeepAlives };

/** A stream on which keep-alives of several ids are sent, one after the other. */
export interface KeepAlives {
  readonly ids: readonly bigint[];
}

type UnaryRequest = Exclude<Request, { method: "leaseKeepAlive" }>;
export type Method = Request["method"];

/** A decoded message as plain data: fields by name, a oneof as its case and value. */
export type Fields = Readonly<Record<string, unknown>>;

export type Answer =
  | { readonly kind: "ok"; readonly message: Fields }
  | { readonly kind: "error"; readonly code: number; readonly details: string };

interface MethodDefinition {
  readonly path: string;
  readonly encode: (request: UnaryRequest) => Buffer;
  readonly decode: (bytes: Buffer) => Fields;
}

function define<Message extends UnaryRequest["message"], Response extends object>(
  service: string,
  method: { name: string; requestType: MessageFns<Message>; responseType: MessageFns<Response> },
): MethodDefinition {
  return {
    path: `/${service}/${method.name}`,
    encode: (request) => Buffer.from(method.requestType.encode(request.message as Message).finish()),
    decode: (bytes) => omitIds(method.responseType.decode(new Uint8Array(bytes))) as Fields,
  };
}

const kv = KVDefinition;
const lease = LeaseDefinition;
const definitions: Record<UnaryRequest["method"], MethodDefinition> = {
  range: define(kv.fullName, kv.methods.range),
  put: define(kv.fullName, kv.methods.put),
  deleteRange: define(kv.fullName, kv.methods.deleteRange),
  txn: define(kv.fullName, kv.methods.txn),
  compact: define(kv.fullName, kv.methods.compact),
  hashKV: define(MaintenanceDefinition.fullName, MaintenanceDefinition.methods.hashKV),
  leaseGrant: define(lease.fullName, lease.methods.leaseGrant),
  leaseRevoke: define(lease.fullName, lease.methods.leaseRevoke),
  leaseTimeToLive: define(lease.fullName, lease.methods.leaseTimeToLive),
  leaseLeases: define(lease.fullName, lease.methods.leaseLeases),
};
const keepAlivePath = `/${lease.fullName}/${lease.methods.leaseKeepAlive.name}`;
const watchPath = `/${WatchDefinition.fullName}/${WatchDefinition.methods.watch.name}`;

/** Fields that differ between clusters: the member that answered, and its term. */
const idFields = new Set(["clusterId", "memberId", "raftTerm"]);

/** Replaces ids by 1 or 0: only their presence can be compared. The headers inside a transaction must have none. */
function omitIds(value: unknown, field?: string): unknown {
  if (typeof value === "bigint" && field !== undefined && idFields.has(field)) return value === 0n ? 0n : 1n;
  if (Array.isArray(value)) return value.map((item) => omitIds(item));
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, omitIds(inner, name)]));
}

/** Timeout that only a request that hangs exceeds. */
const deadlineMs = scaleMs(10_000);

/** One connection to one server. */
export class Channel {
  private readonly grpc: Client;

  /** @param endpoint `host:port` or `unix:path` */
  constructor(readonly endpoint: string) {
    this.grpc = new Client(endpoint, credentials.createInsecure());
  }

  send(request: Request): Promise<Answer> {
    return request.method === "leaseKeepAlive" ? this.keepAlive(request.message) : this.sendUnary(request);
  }

  openWatch(): ClientDuplexStream<WatchRequest, Fields> {
    return this.grpc.makeBidiStreamRequest(
      watchPath,
      (request: WatchRequest) => Buffer.from(WatchRequest.encode(request).finish()),
      (bytes: Buffer) => omitIds(WatchResponse.decode(new Uint8Array(bytes))) as Fields,
    );
  }

  close(): void {
    this.grpc.close();
  }

  private sendUnary(request: UnaryRequest): Promise<Answer> {
    const { path, encode, decode } = definitions[request.method];
    const options = { deadline: Date.now() + deadlineMs };
    return new Promise((resolve) => {
      const onAnswer = (error: ServiceError | null, message?: Fields) => {
        if (error !== null) resolve({ kind: "error", code: error.code, details: error.details });
        else resolve({ kind: "ok", message: message ?? {} });
      };
      this.grpc.makeUnaryRequest(path, encode, decode, request, options, onAnswer);
    });
  }

  /** Sends each id when the previous one has been answered, then ends the stream. */
  private keepAlive({ ids }: KeepAlives): Promise<Answer> {
    const call = this.grpc.makeBidiStreamRequest(
      keepAlivePath,
      (request: LeaseKeepAliveRequest) => Buffer.from(LeaseKeepAliveRequest.encode(request).finish()),
      (bytes: Buffer) => omitIds(LeaseKeepAliveResponse.decode(new Uint8Array(bytes))) as Fields,
      { deadline: Date.now() + deadlineMs },
    );
    const responses: Fields[] = [];
    const proceed = () => {
      const ID = ids[responses.length];
      if (ID === undefined) call.end();
      else call.write({ ID });
    };
    return new Promise((resolve) => {
      call.on("data", (response: Fields) => {
        responses.push(response);
        proceed();
      });
      call.on("error", () => undefined); // the status event reports it
      call.on("status", ({ code, details }: StatusObject) => {
        if (code === status.OK) resolve({ kind: "ok", message: { responses } });
        else resolve({ kind: "error", code, details });
      });
      proceed();
    });
  }
}

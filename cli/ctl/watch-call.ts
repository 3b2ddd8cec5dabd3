// The Watch method as it is on the wire. etcdctl prints a server's answers, each with its header, and can ask how far the
// server is; the client's Watch, made for programs, gives changes.
import {
  Client as GrpcClient,
  Metadata,
  credentials,
  status,
  type ClientDuplexStream,
  type ServiceError,
} from "@grpc/grpc-js";
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectError, prefixEnd, type Header, type KeyValue, type WatchEvent } from "../../client/index.js";
import {
  Event_EventType,
  WatchDefinition,
  WatchRequest,
  WatchResponse,
  counterFromResponse,
  type Event,
  type KeyValue as WireKeyValue,
} from "../../proto/index.js";

export interface WatchSettings {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array | undefined;
  /** All keys that begin with `key`. */
  readonly prefix: boolean;
  /** 0: from now on. */
  readonly startRevision: number;
  readonly prevKv: boolean;
  readonly progressNotify: boolean;
}

/** What a server says at once. No events, and not canceled: nothing has happened up to the header's revision. */
export interface WatchAnswer {
  readonly header: Header;
  readonly events: readonly WatchEvent[];
  /** Not 0: the oldest revision there is, if that is why the watch was canceled. */
  readonly compactRevision: number;
  readonly canceled: boolean;
  /** Why the watch never came to be, or why its stream ended. */
  readonly refusal?: string;
}

export interface ConnectionSettings {
  readonly dialTimeoutMs: number;
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
}

/** Servers close a connection that asks more often. @see grpc-go, keepalive.ClientParameters: Time */
const minKeepaliveTimeMs = 10_000;

/** A timer of Node's cannot wait longer. */
const asTimer = (milliseconds: number) => Math.min(milliseconds, 2 ** 31 - 1);

/** While no server is there. */
const retryPauseMs = 250;

/** Connections to some servers, for watches. */
export class Watches {
  private servers: readonly GrpcClient[] = [];
  private hasConnected = false;
  private closed = false;

  constructor(
    private readonly endpoints: readonly string[],
    private readonly settings: ConnectionSettings,
  ) {}

  open(settings: WatchSettings): WatchCall {
    if (this.servers.length === 0) this.servers = this.endpoints.map((endpoint) => this.connect(endpoint));
    return new WatchCall(this, settings);
  }

  /**
   * The first server that is there.
   *
   * @returns undefined once closed
   * @throws ConnectError if there has never been one
   */
  async anyServer(): Promise<GrpcClient | undefined> {
    while (!this.closed) {
      try {
        const server = await Promise.any(this.servers.map((each) => this.ready(each)));
        this.hasConnected = true;
        return server;
      } catch (error) {
        if (!(error instanceof AggregateError)) throw error;
        const reason = `no connection within ${this.settings.dialTimeoutMs} ms`;
        if (!this.hasConnected) throw new ConnectError(new Map(this.endpoints.map((each) => [each, reason])));
      }
    }
    return undefined;
  }

  /** It does not do its part: whoever is there comes before it. */
  putLast(server: GrpcClient): void {
    this.servers = [...this.servers.filter((each) => each !== server), server];
  }

  /** Ends all watches. */
  close(): void {
    this.closed = true;
    for (const server of this.servers) server.close();
  }

  private ready(server: GrpcClient): Promise<GrpcClient> {
    return new Promise((resolve, reject) => {
      server.waitForReady(Date.now() + this.settings.dialTimeoutMs, (error) =>
        error === undefined ? resolve(server) : reject(error),
      );
    });
  }

  private connect(endpoint: string): GrpcClient {
    const target = endpoint.replace(/^http:\/\/|\/$/g, "").replace(/^unix:\/\//, "unix:");
    return new GrpcClient(target, credentials.createInsecure(), {
      "grpc.keepalive_time_ms": asTimer(Math.max(this.settings.keepaliveTimeMs, minKeepaliveTimeMs)),
      "grpc.keepalive_timeout_ms": asTimer(this.settings.keepaliveTimeoutMs),
      "grpc.max_receive_message_length": -1,
      "grpc.use_local_subchannel_pool": 1,
      // A proxy from the environment is meant for the web; through it, not even 127.0.0.1 is reached.
      "grpc.enable_http_proxy": 0,
      "grpc.service_config_disable_resolution": 1,
    });
  }
}

type Stream = ClientDuplexStream<WatchRequest, WatchResponse>;

/** One watch. It goes on with another server when its own is lost. */
export class WatchCall {
  private stream: Stream | undefined;
  /** First revision not told of yet. */
  private next: number;

  constructor(
    private readonly watches: Watches,
    private readonly settings: WatchSettings,
  ) {
    this.next = settings.startRevision;
  }

  /** Has the server say how far it is: one more answer. */
  requestProgress(): void {
    this.stream?.write({ requestUnion: { $case: "progressRequest", value: {} } });
  }

  /**
   * The answers, in order, until one says that the watch was canceled, or all watches are closed.
   *
   * @throws ConnectError if no server is there from the start
   */
  async *answers(): AsyncGenerator<WatchAnswer, void, void> {
    for (;;) {
      const server = await this.watches.anyServer();
      if (server === undefined) return;
      try {
        for await (const answer of this.answersOf(server)) {
          yield answer;
          if (answer.canceled) return;
        }
      } catch (error) {
        const failure = error as ServiceError;
        if (!mayPass(failure)) return yield refused(failure.details);
      }
      this.watches.putLast(server);
      await sleep(retryPauseMs);
    }
  }

  /** A server's answers until it, or the way to it, fails. */
  private async *answersOf(server: GrpcClient): AsyncGenerator<WatchAnswer, void, void> {
    const stream = server.makeBidiStreamRequest(path, encode, decode, requireLeader(), {});
    stream.on("error", () => undefined); // also after the last answer that anybody has waited for
    stream.write(createRequest(this.settings, this.next));
    this.stream = stream;
    try {
      for await (const response of stream as AsyncIterable<WatchResponse>) {
        const answer = answerOf(response);
        this.next = nextAfter(response, answer, this.next);
        if (answer.canceled || !response.created) yield answer;
      }
    } finally {
      this.stream = undefined;
      stream.cancel();
    }
  }
}

const { watch } = WatchDefinition.methods;
const path = `/${WatchDefinition.fullName}/${watch.name}`;
const encode = (request: WatchRequest) => Buffer.from(WatchRequest.encode(request).finish());
const decode = (bytes: Buffer) => WatchResponse.decode(bytes);

/** A member that has lost its leader ends the stream, instead of leaving it silent. @see etcd v3 API, hasleader */
function requireLeader(): Metadata {
  const metadata = new Metadata();
  metadata.set("hasleader", "true");
  return metadata;
}

function createRequest({ key, rangeEnd, prefix, prevKv, progressNotify }: WatchSettings, next: number): WatchRequest {
  const value = {
    key: prefix && key.length === 0 ? Uint8Array.of(0) : key,
    rangeEnd: prefix ? prefixEnd(key) : (rangeEnd ?? new Uint8Array(0)),
    startRevision: BigInt(next),
    progressNotify,
    filters: [],
    prevKv,
    watchId: 0n,
    fragment: false,
  };
  return { requestUnion: { $case: "createRequest", value } };
}

/** Whether another server, or the same a little later, may do better. */
const mayPass = ({ code }: ServiceError): boolean => code === status.UNAVAILABLE || code === status.CANCELLED;

const noHeader: Header = { clusterId: 0n, memberId: 0n, revision: 0, raftTerm: 0 };

const refused = (refusal: string): WatchAnswer => ({
  header: noHeader,
  events: [],
  compactRevision: 0,
  canceled: true,
  refusal,
});

function answerOf({ header, events, compactRevision, canceled, cancelReason }: WatchResponse): WatchAnswer {
  if (canceled && compactRevision === 0n && cancelReason !== "") return refused(cancelReason);
  return {
    header: {
      clusterId: header?.clusterId ?? 0n,
      memberId: header?.memberId ?? 0n,
      revision: counterFromResponse(header?.revision ?? 0n),
      raftTerm: counterFromResponse(header?.raftTerm ?? 0n),
    },
    events: events.map(eventOf),
    compactRevision: counterFromResponse(compactRevision),
    canceled,
  };
}

function eventOf({ type, kv, prevKv }: Event): WatchEvent {
  if (kv === undefined) throw new TypeError("Cannot read a change: it has no key");
  return {
    type: type === Event_EventType.DELETE ? "delete" : "put",
    kv: keyValueOf(kv),
    prevKv: prevKv && keyValueOf(prevKv),
  };
}

const keyValueOf = ({ key, value, createRevision, modRevision, version, lease }: WireKeyValue): KeyValue => ({
  key,
  value,
  createRevision: counterFromResponse(createRevision),
  modRevision: counterFromResponse(modRevision),
  version: counterFromResponse(version),
  lease,
});

/** Answers to `requestProgress` have it. Old servers give them while they are still catching up. */
const noWatch = -1n;

/** The revision another server has to go on from. */
function nextAfter({ created, watchId }: WatchResponse, { header, events }: WatchAnswer, next: number): number {
  const last = events.at(-1);
  if (last !== undefined) return last.kv.modRevision + 1;
  // Should nothing have happened yet when this server is lost, then after what there was at the beginning.
  if (created) return next === 0 ? header.revision + 1 : next;
  return watchId === noWatch ? next : Math.max(header.revision + 1, next);
}

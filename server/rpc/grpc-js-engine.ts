import type { Duplex } from "node:stream";
import {
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  status as grpcStatus,
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type Metadata,
  type ServerInterceptor,
  type ServerOptions,
} from "@grpc/grpc-js";
import type {
  BidiMethod,
  Call,
  Method,
  RequestSink,
  ServerStreamMethod,
  UnaryMethod,
  UnimplementedMethod,
} from "./method-table.js";
import { maxUnsentBytes, maxUnsentMessages } from "../limits.js";
import { OpenCalls } from "./open-calls.js";
import { RpcError, statusCode, statusOfError, type GrpcStatus } from "./status.js";

export interface EngineOptions {
  readonly methods: readonly Method[];
  /** Runs before every handler; what it throws is the answer. */
  readonly admit: (call: Call) => void;
  /** Larger requests are RESOURCE_EXHAUSTED. */
  readonly maxRequestBytes: number;
  /** Calls and streams at a time on a connection; one more waits at the client, or is refused. Absent: no bound. */
  readonly maxConcurrentStreams?: number;
  /** Time between pings to a client; undefined: none. */
  readonly keepAliveMs?: number | undefined;
  /** How long the answer to one may take. */
  readonly keepAliveTimeoutMs?: number;
  readonly onUnexpectedError: (error: unknown) => void;
}

/** Carries a method table over connections that somebody else accepted. */
export interface Engine {
  serve(connection: Duplex): void;
  /**
   * Says goodbye (GOAWAY): no call begins any more, those under way go on, and so do streams. May be called twice.
   *
   * @returns when calls under way have ended; `graceMs` is the longest time to wait for that
   */
  drain(graceMs: number): Promise<void>;
  /** Drains, lets calls under way end for `graceMs`, then ends what is left, and the streams. */
  stop(graceMs: number): Promise<void>;
}

/** Node's timers count in 31 bits. */
const longestTimerMs = 2 ** 31 - 1;

const limitsOf = ({ maxConcurrentStreams, keepAliveMs, keepAliveTimeoutMs }: EngineOptions): ServerOptions => {
  const options: ServerOptions = {};
  if (maxConcurrentStreams !== undefined) options["grpc.max_concurrent_streams"] = maxConcurrentStreams;
  if (keepAliveMs !== undefined) options["grpc.keepalive_time_ms"] = Math.min(keepAliveMs, longestTimerMs);
  if (keepAliveTimeoutMs !== undefined)
    options["grpc.keepalive_timeout_ms"] = Math.min(keepAliveTimeoutMs, longestTimerMs);
  return options;
};

/** The engine on `@grpc/grpc-js`: complete and conservative. */
export const createGrpcJsEngine = (options: EngineOptions): Engine => {
  const server = new Server({
    interceptors: [oneRequest],
    "grpc.max_receive_message_length": options.maxRequestBytes,
    "grpc.max_send_message_length": -1,
    ...limitsOf(options),
    "grpc.enable_channelz": 0,
  });
  const calls = new OpenCalls();
  const streams = new OpenCalls();
  for (const method of options.methods) register(server, method, options, { calls, streams });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const connections = new Set<Duplex>();
  let draining = false;
  const drain = (graceMs: number): Promise<void> => {
    if (!draining) injector.destroy(); // closes each HTTP/2 session as soon as its last stream has ended
    draining = true;
    return calls.settle(graceMs);
  };
  return {
    serve: (connection) => {
      if (draining) {
        connection.destroy();
        return;
      }
      connections.add(connection);
      connection.on("close", () => connections.delete(connection));
      injector.injectConnection(connection);
    },
    drain,
    stop: async (graceMs) => {
      await drain(graceMs);
      calls.endAll(serverStopped);
      streams.endAll(serverStopped);
      const endConnections = setTimeout(() => connections.forEach((each) => each.destroy()), farewellMs);
      await Promise.all([...connections].map((connection) => closed(connection)));
      clearTimeout(endConnections);
      server.forceShutdown();
    },
  };
};

/** Not `once`, which would take a connection that breaks for a failure to stop. */
const closed = (connection: Duplex): Promise<void> =>
  new Promise((resolve) => connection.once("close", () => resolve()));

const serverStopped: GrpcStatus = { code: statusCode.unavailable, details: "etcdserver: server stopped" };
/** How long the last answers may take to reach their clients. */
const farewellMs = 500;

/** What has not ended: calls that get one answer, and streams. */
interface UnderWay {
  readonly calls: OpenCalls;
  readonly streams: OpenCalls;
}

const register = (server: Server, method: Method, options: EngineOptions, underWay: UnderWay): void => {
  if (method.kind === "unimplemented") {
    registerUnimplemented(server, method);
    return;
  }
  const { type, handler } = handlerOf(method, options, underWay);
  const serialize = method.kind === "bidi" ? asItIs : asBuffer(method.encode);
  server.register(method.path, handler, serialize, asItIs, type);
};

/** Calls that take one request: the first one counts, as in Go's gRPC, and none at all is answered in its words. */
const oneRequest: ServerInterceptor = (method, call) =>
  method.requestStream ? new ServerInterceptingCall(call) : new OneRequestCall(call, method.responseStream);

const noRequest = {
  unary: { code: grpcStatus.UNKNOWN, details: "EOF" },
  stream: {
    code: grpcStatus.INTERNAL,
    details: "cardinality violation: received no request message from non-client-streaming RPC",
  },
};

type ServerInterceptingCallInterface = Parameters<ServerInterceptor>[1];
type InterceptingServerListener = Parameters<ServerInterceptingCallInterface["start"]>[0];

class OneRequestCall extends ServerInterceptingCall {
  constructor(
    private readonly call: ServerInterceptingCallInterface,
    private readonly isStream: boolean,
  ) {
    super(call);
  }

  override start(listener: InterceptingServerListener): void {
    let hasRequest = false;
    this.call.start({
      onReceiveMetadata: (metadata) => listener.onReceiveMetadata(metadata),
      onReceiveMessage: (message: unknown) => {
        if (hasRequest)
          this.call.startRead(); // drops it
        else {
          hasRequest = true;
          listener.onReceiveMessage(message);
        }
      },
      onReceiveHalfClose: () => {
        if (hasRequest) listener.onReceiveHalfClose();
        else this.call.sendStatus(this.isStream ? noRequest.stream : noRequest.unary);
      },
      onCancel: () => listener.onCancel(),
    });
  }
}

/** @throws RpcError in the words of Go's gRPC if the bytes are no such message */
const decodeWith = <Request>(
  decode: (bytes: Uint8Array) => Request,
  bytes: Uint8Array,
  kind: "unary" | "stream",
): Request => {
  try {
    return decode(bytes);
  } catch {
    const what = kind === "unary" ? "error unmarshalling request" : "failed to unmarshal the received message";
    const details = `grpc: ${what}: proto: cannot parse invalid wire-format data`;
    throw new RpcError({ code: statusCode.internal, details });
  }
};

const handlerOf = (
  method: UnaryMethod | ServerStreamMethod | BidiMethod,
  options: EngineOptions,
  { calls, streams }: UnderWay,
): { readonly type: string; readonly handler: HandleCall<Buffer, unknown> } => {
  switch (method.kind) {
    case "unary":
      return { type: "unary", handler: unaryHandler(method, options, calls) };
    case "server-stream":
      return { type: "serverStream", handler: streamHandler(method, options, streams) };
    case "bidi":
      return { type: "bidi", handler: bidiHandler(method, options, streams) };
  }
};

type HandleCall<Request, Response> =
  | handleUnaryCall<Request, Response>
  | handleServerStreamingCall<Request, Response>
  | handleBidiStreamingCall<Request, Response>;

/** grpc-js wants a Buffer; a view of the same memory, not a copy. */
const asBuffer =
  (encode: (response: unknown) => Uint8Array) =>
  (response: unknown): Buffer => {
    const bytes = encode(response);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };

const asItIs = (message: unknown): Buffer => message as Buffer;

const unaryHandler =
  (method: UnaryMethod, options: EngineOptions, calls: OpenCalls): handleUnaryCall<Buffer, unknown> =>
  (grpcCall, callback) => {
    // The first answer takes the call out of those under way, and is the only one.
    const end = (status: GrpcStatus): void => {
      if (calls.take(end)) callback(status, null);
    };
    calls.add(end);
    grpcCall.once("cancelled", () => calls.take(end));
    const fail = (error: unknown): void => end(statusOfError(error, options.onUnexpectedError));
    const send = (response: unknown): void => {
      if (calls.take(end)) callback(null, response);
    };
    try {
      const call = callOf(grpcCall);
      options.admit(call);
      method.handle(decodeWith(method.decode, grpcCall.request, "unary"), call, { send, fail });
    } catch (error) {
      fail(error);
    }
  };

const streamHandler =
  (
    method: ServerStreamMethod,
    options: EngineOptions,
    streams: OpenCalls,
  ): handleServerStreamingCall<Buffer, unknown> =>
  (grpcCall) => {
    const end = (status: GrpcStatus): void => {
      if (streams.take(end)) grpcCall.emit("error", status);
    };
    streams.add(end);
    const fail = (error: unknown): void => end(statusOfError(error, options.onUnexpectedError));
    try {
      const call = callOf(grpcCall);
      call.onCancelled(() => streams.take(end));
      options.admit(call);
      method.handle(decodeWith(method.decode, grpcCall.request, "stream"), call, {
        send: (response) => void grpcCall.write(response),
        fail,
        end: () => {
          if (streams.take(end)) grpcCall.end();
        },
      });
    } catch (error) {
      fail(error);
    }
  };

/** What a stream was given to send and its client has not taken yet. */
class SendBuffer {
  onDrain: () => void = () => undefined;
  private messages = 0;
  private bytes = 0;
  private isFull = false;

  constructor(
    private readonly grpcCall: { write(message: unknown, written: () => void): boolean },
    private readonly encode: (response: unknown) => Buffer,
  ) {}

  /** False: it is full now, and `onDrain` tells when it is empty. What is sent all the same is kept. */
  send(response: unknown): boolean {
    const message = this.encode(response); // here, so that bytes can be counted
    this.messages += 1;
    this.bytes += message.length;
    this.isFull ||= this.messages >= maxUnsentMessages || this.bytes >= maxUnsentBytes;
    this.grpcCall.write(message, () => this.written(message.length));
    return !this.isFull;
  }

  private written(bytes: number): void {
    this.messages -= 1;
    this.bytes -= bytes;
    if (!this.isFull || this.messages > 0) return;
    this.isFull = false;
    this.onDrain();
  }
}

const bidiHandler =
  (method: BidiMethod, options: EngineOptions, streams: OpenCalls): handleBidiStreamingCall<Buffer, unknown> =>
  (grpcCall) => {
    let sink: RequestSink<never> | undefined;
    const buffer = new SendBuffer(grpcCall, asBuffer(method.encode));
    /** Whether the stream was still open: it closes once, whoever ends it. */
    const close = (): boolean => {
      if (!streams.take(endWith)) return false;
      sink?.onClosed();
      return true;
    };
    const endWith = (status: GrpcStatus): void => {
      if (close()) grpcCall.emit("error", status);
    };
    streams.add(endWith);
    const fail = (error: unknown): void => endWith(statusOfError(error, options.onUnexpectedError));
    const guarded = (run: () => void): void => {
      try {
        run();
      } catch (error) {
        fail(error);
      }
    };
    grpcCall.on("cancelled", close);
    guarded(() => {
      const call = callOf(grpcCall);
      options.admit(call);
      const opened = method.open(call, {
        send: (response) => !streams.has(endWith) || buffer.send(response),
        onDrain: (callback) => (buffer.onDrain = callback),
        fail,
        end: () => {
          if (close()) grpcCall.end();
        },
      });
      sink = opened;
      if (!streams.has(endWith)) opened.onClosed(); // it was over before it had anybody to tell
      grpcCall.on("data", (bytes: Uint8Array) =>
        guarded(() => streams.has(endWith) && opened.onRequest(decodeWith(method.decode, bytes, "stream"))),
      );
      grpcCall.on("end", () => guarded(() => streams.has(endWith) && opened.onHalfClose()));
    });
  };

/** What calls of all kinds have. */
interface GrpcCall {
  readonly metadata: Metadata;
  once(event: "cancelled", listener: () => void): unknown;
}

const callOf = (grpcCall: GrpcCall): Call => ({
  metadata: (key) => firstValue(grpcCall.metadata, key),
  onCancelled: (callback) => void grpcCall.once("cancelled", callback),
});

const firstValue = (metadata: Metadata, key: string): string | undefined => {
  const value = metadata.get(key)[0];
  return value === undefined ? undefined : value.toString();
};

const registerUnimplemented = (server: Server, method: UnimplementedMethod): void => {
  const [, service = "", name = ""] = method.path.split("/");
  const status: GrpcStatus = {
    code: statusCode.unimplemented,
    details: `unknown method ${name} for service ${service}`,
  };
  const bytes = (message: Buffer): Buffer => message;
  if (!method.requestStream && !method.responseStream) {
    const handler: handleUnaryCall<Buffer, Buffer> = (_call, callback) => callback(status, null);
    server.register(method.path, handler, bytes, bytes, "unary");
    return;
  }
  const handler: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    call.on("error", () => undefined);
    call.emit("error", status);
  };
  server.register(method.path, handler, bytes, bytes, "bidi");
};

import { performance } from "node:perf_hooks";
import {
  Server,
  type Deadline,
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type Metadata,
  type ServerDuplexStream,
  type ServerOptions,
  type ServerWritableStream,
} from "@grpc/grpc-js";
import { asBuffer, longestTimerMs } from "../../../platform/index.js";
import {
  type BidiMethod,
  type BidiResponseStream,
  type Call,
  decodeWith,
  type GrpcStatus,
  type Labelled,
  type Method,
  type RequestSink,
  type ServerResponseStream,
  type ServerStreamMethod,
  statusCode,
  statusOfError,
  type UnaryMethod,
  type UnimplementedMethod,
} from "../../rpc/index.js";
import { ServerError } from "../../base/index.js";
import type { Engine, EngineOptions } from "../engine/index.js";
import { Http2Connection } from "./http2-connection.js";
import { OpenCalls } from "./open-calls.js";
import { SendBuffer } from "./send-buffer.js";
import { ServedConnections } from "./served-connections.js";

const limitsOf = ({ maxConcurrentStreams, rules = {} }: EngineOptions): ServerOptions => {
  const { keepAliveMs, keepAliveTimeoutMs } = rules;
  const options: ServerOptions = {};
  if (maxConcurrentStreams !== undefined) options["grpc.max_concurrent_streams"] = maxConcurrentStreams;
  if (keepAliveMs !== undefined) options["grpc.keepalive_time_ms"] = Math.min(keepAliveMs, longestTimerMs);
  if (keepAliveTimeoutMs !== undefined)
    options["grpc.keepalive_timeout_ms"] = Math.min(keepAliveTimeoutMs, longestTimerMs);
  return options;
};

/** Creates the engine on `@grpc/grpc-js`: complete and conservative. */
export const createGrpcJsEngine = (options: EngineOptions): Engine => {
  const server = new Server({
    "grpc.max_receive_message_length": options.maxRequestBytes,
    "grpc.max_send_message_length": -1,
    ...limitsOf(options),
    "grpc.enable_channelz": 0,
  });
  const calls = new OpenCalls();
  const streams = new OpenCalls();
  const connections = new ServedConnections(server, options.untaken);
  for (const method of options.methods) register(server, method, options, { calls, streams, connections });
  const drain = (graceMs: number): Promise<void> => {
    connections.drain();
    return calls.whenIdle(graceMs);
  };
  return {
    serve: (socket, seen) => connections.add(new Http2Connection(socket, seen, options.rules)),
    drain,
    stop: async (graceMs) => {
      await drain(graceMs);
      calls.endAll(serverStopped);
      streams.endAll(serverStopped);
      await connections.whenClosed(drainCheckMs);
      server.forceShutdown();
      options.untaken.stop();
    },
  };
};

const serverStopped: GrpcStatus = { code: statusCode.unavailable, details: "etcdserver: server stopped" };
/** The time for the last answers to reach their clients, in milliseconds. */
const drainCheckMs = 500;

/** Unary calls in progress, open streams, and connections. */
interface UnderWay {
  readonly calls: OpenCalls;
  readonly streams: OpenCalls;
  readonly connections: ServedConnections;
}

const register = (server: Server, method: Method, options: EngineOptions, underWay: UnderWay): void => {
  if (method.kind === "unimplemented") {
    registerUnimplemented(server, method);
    return;
  }
  const { type, handler } = handlerOf(method, options, underWay);
  server.register(method.path, handler, passThrough, passThrough, type);
};

const handlerOf = (
  method: UnaryMethod | ServerStreamMethod | BidiMethod,
  options: EngineOptions,
  underWay: UnderWay,
): { readonly type: string; readonly handler: HandleCall<Buffer, unknown> } => {
  switch (method.kind) {
    case "unary":
      return { type: "unary", handler: unaryHandler(method, options, underWay) };
    case "server-stream":
      return { type: "serverStream", handler: streamHandler(method, options, underWay) };
    case "bidi":
      return { type: "bidi", handler: bidiHandler(method, options, underWay) };
  }
};

/** Counts a call that begins. @returns a function that counts its end, to be called once */
const begin = ({ stats }: Pick<Method, "stats">, { clock }: EngineOptions): ((code: number) => void) => {
  stats.started++;
  const { handlingSeconds } = stats;
  const beganAt = handlingSeconds === undefined ? 0 : clock.now();
  return (code) => {
    stats.countEnd(code);
    handlingSeconds?.observe((clock.now() - beganAt) / 1_000);
  };
};

/** grpc-js reports a deadline in the same way as a cancellation. */
const codeOfCancelEvent = (call: Pick<GrpcJsServerCall, "getDeadline">): number =>
  Number(call.getDeadline()) <= performance.timeOrigin + performance.now()
    ? statusCode.deadlineExceeded
    : statusCode.canceled;

type HandleCall<Request, Response> =
  | handleUnaryCall<Request, Response>
  | handleServerStreamingCall<Request, Response>
  | handleBidiStreamingCall<Request, Response>;

/** Returns an encoder to Buffers, which grpc-js requires. */
const encoderToBuffer =
  (encode: (response: unknown) => Uint8Array) =>
  (response: unknown): Buffer =>
    asBuffer(encode(response));

const passThrough = (message: unknown): Buffer => message as Buffer;

const unaryHandler = (
  method: UnaryMethod,
  options: EngineOptions,
  { calls, connections }: UnderWay,
): handleUnaryCall<Buffer, Buffer> => {
  const encode = encoderToBuffer(method.encode);
  const isRefused = (grpcCall: { getPeer(): string }): boolean =>
    method.isRead && options.untaken.isPressed && connections.untakenBytesOf(grpcCall)?.hasRoom === false;
  const { stats } = method;
  return (grpcCall, callback) => {
    const countEnd = begin(method, options);
    // The first answer removes the call from those in progress; later answers are dropped.
    const take = (code: number): boolean => {
      if (!calls.removeCall(end)) return false;
      countEnd(code);
      return true;
    };
    const end = (status: GrpcStatus): void => {
      if (take(status.code)) callback(status, null);
    };
    calls.add(end);
    stats.countReceived(grpcCall.request.length);
    grpcCall.once("cancelled", () => take(codeOfCancelEvent(grpcCall)));
    const fail = (error: unknown): void => end(statusOfError(error, options.onUnexpectedError));
    const send = (response: unknown): void => {
      if (!calls.has(end)) return;
      if (isRefused(grpcCall)) {
        fail(new ServerError("too-many-requests", "clients do not read their answers"));
        return;
      }
      let answer: Buffer;
      try {
        answer = encode(response); // encoded here, so that its bytes can be counted
      } catch (error) {
        fail(error);
        return;
      }
      if (!take(statusCode.ok)) return; // canceled meanwhile
      stats.countSent(1, answer.length);
      callback(null, answer);
    };
    try {
      const request = decodeWith(method.decode, grpcCall.request, "unary");
      method.handle(new GrpcJsCall(grpcCall, connections), request, method.answer({ send, fail }));
    } catch (error) {
      fail(error);
    }
  };
};

const streamHandler =
  (
    method: ServerStreamMethod,
    options: EngineOptions,
    underWay: UnderWay,
  ): handleServerStreamingCall<Buffer, unknown> =>
  (grpcCall) => {
    const reply = new GrpcJsServerStream(method, options, underWay, grpcCall);
    method.stats.countReceived(grpcCall.request.length);
    try {
      const request = decodeWith(method.decode, grpcCall.request, "stream");
      method.handle(request, new GrpcJsCall(grpcCall, underWay.connections), reply);
    } catch (error) {
      reply.fail(error);
    }
  };

const bidiHandler =
  (method: BidiMethod, options: EngineOptions, underWay: UnderWay): handleBidiStreamingCall<Buffer, unknown> =>
  (grpcCall) => {
    const stream = new GrpcJsBidiStream(method, options, underWay, grpcCall);
    stream.open(new GrpcJsCall(grpcCall, underWay.connections), grpcCall);
  };

/** A call with a stream of responses. It ends once: by its service, its client or the engine. */
abstract class GrpcJsResponseStream {
  protected readonly buffer: SendBuffer;
  private readonly countEnd: (code: number) => void;
  private readonly streams: OpenCalls;

  constructor(
    method: ServerStreamMethod | BidiMethod,
    private readonly options: EngineOptions,
    { streams, connections }: UnderWay,
    private readonly grpcCall: ServerWritableStream<Buffer, unknown> | ServerDuplexStream<Buffer, unknown>,
  ) {
    this.streams = streams;
    this.countEnd = begin(method, options);
    this.buffer = new SendBuffer(grpcCall, encoderToBuffer(method.encode), connections.untakenBytesOf(grpcCall), {
      all: options.untaken,
      stats: method.stats,
    });
    streams.add(this.endWith);
    grpcCall.once("cancelled", () => {
      this.close(codeOfCancelEvent(grpcCall));
      this.buffer.close();
    });
  }

  send(response: unknown): boolean {
    return !this.isOpen || this.buffer.send(response);
  }

  fail(error: unknown): void {
    this.endWith(statusOfError(error, this.options.onUnexpectedError));
  }

  endStream(): void {
    if (this.close(statusCode.ok)) this.grpcCall.end();
  }

  protected get isOpen(): boolean {
    return this.streams.has(this.endWith);
  }

  /** Called once, at the end of the call. */
  protected abstract onOver(): void;

  /** The function that ends the call for the engine, by which `streams` knows the call. */
  private readonly endWith = (status: GrpcStatus): void => {
    if (this.close(status.code)) this.grpcCall.emit("error", status);
  };

  /** Closes the stream once. @returns whether it was open */
  private close(code: number): boolean {
    if (!this.streams.removeCall(this.endWith)) return false;
    this.countEnd(code);
    this.onOver();
    return true;
  }
}

/** A call with one request and a stream of responses. */
class GrpcJsServerStream extends GrpcJsResponseStream implements ServerResponseStream<unknown> {
  private closeCallback: (() => void) | undefined;

  setDrainListener(callback: () => void): void {
    this.buffer.onDrain = () => {
      if (this.isOpen) callback();
    };
  }

  setCloseListener(callback: () => void): void {
    if (this.isOpen) this.closeCallback = callback;
    else callback();
  }

  protected override onOver(): void {
    this.closeCallback?.();
  }
}

/** A call with a stream of requests and a stream of responses. */
class GrpcJsBidiStream extends GrpcJsResponseStream implements BidiResponseStream<unknown> {
  private sink: RequestSink<never> | undefined;

  constructor(
    private readonly method: BidiMethod,
    options: EngineOptions,
    underWay: UnderWay,
    grpcCall: ServerDuplexStream<Buffer, unknown>,
  ) {
    super(method, options, underWay, grpcCall);
  }

  /** Opens the stream at its service, and passes the requests on. */
  open(call: Call, grpcCall: ServerDuplexStream<Buffer, unknown>): void {
    this.runGuarded(() => {
      const sink = this.method.open(call, this);
      this.sink = sink;
      if (!this.isOpen) sink.onClosed(); // ended during `open`, before there was a sink
      grpcCall.on("data", (bytes: Uint8Array) => this.runGuarded(() => this.onData(sink, bytes)));
      grpcCall.on("end", () => this.runGuarded(() => this.isOpen && sink.onHalfClose()));
    });
  }

  sendEach(labels: readonly Labelled[], from: number, to: number, head: Uint8Array, tail: Uint8Array): number {
    return this.isOpen ? this.buffer.sendEach(labels, from, to, head, tail) : to - from;
  }

  setDrainListener(callback: () => void): void {
    this.buffer.onDrain = callback;
  }

  protected override onOver(): void {
    this.sink?.onClosed();
  }

  private onData(sink: RequestSink<never>, bytes: Uint8Array): void {
    if (!this.isOpen) return;
    this.method.stats.countReceived(bytes.length);
    sink.onRequest(decodeWith(this.method.decode, bytes, "stream"));
  }

  private runGuarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.fail(error);
    }
  }
}

/** The members that the calls of all kinds have. */
interface GrpcJsServerCall {
  readonly metadata: Metadata;
  getDeadline(): Deadline;
  getPeer(): string;
  once(event: "cancelled", listener: () => void): unknown;
}

/** A call for services. Metadata are looked up on demand: most calls are asked for little. */
class GrpcJsCall implements Call {
  constructor(
    private readonly grpcCall: GrpcJsServerCall,
    private readonly connections: ServedConnections,
  ) {}

  get certificateName(): string | undefined {
    return this.connections.certificateNameOf(this.grpcCall);
  }

  get remoteAddress(): string | undefined {
    return this.connections.remoteAddressOf(this.grpcCall);
  }

  metadata(key: string): string | undefined {
    const value = this.grpcCall.metadata.get(key)[0];
    return value === undefined ? undefined : value.toString();
  }

  deadline(): number {
    return Number(this.grpcCall.getDeadline());
  }

  addCancelListener(callback: () => void): void {
    this.grpcCall.once("cancelled", callback);
  }
}

const registerUnimplemented = (server: Server, method: UnimplementedMethod): void => {
  const [, service = "", name = ""] = method.path.split("/");
  const status: GrpcStatus = {
    code: statusCode.unimplemented,
    details: `unknown method ${name} for service ${service}`,
  };
  const bytes = (message: Buffer): Buffer => message;
  const count = (): void => {
    method.stats.started++;
    method.stats.countEnd(status.code);
  };
  if (!method.requestStream && !method.responseStream) {
    const handler: handleUnaryCall<Buffer, Buffer> = (_call, callback) => {
      count();
      callback(status, null);
    };
    server.register(method.path, handler, bytes, bytes, "unary");
    return;
  }
  const handler: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    count();
    call.on("error", () => undefined);
    call.emit("error", status);
  };
  server.register(method.path, handler, bytes, bytes, "bidi");
};

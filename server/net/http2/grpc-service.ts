import { MethodStats, statusCode, type GrpcStatus } from "../../rpc/index.js";
import type { CallContext } from "./call-context.js";
import type { ServerConnection, Service } from "./connection.js";
import { deadlineExceeded, GrpcCall } from "./grpc-call.js";
import { parseTimeout } from "./grpc-timeout.js";
import type { RequestHead } from "./request-head.js";
import { BidiCall, ServerStreamCall } from "./stream-calls.js";
import { ServerStream } from "./stream.js";
import { UnaryCall } from "./unary-call.js";

/** Serves the methods of a table: creates a call for each request, by the kind of its method. */
export class GrpcService implements Service {
  readonly connections = new Set<ServerConnection>();
  /** Counts the calls without a method; etcd has no metrics of them. */
  private readonly uncounted = new MethodStats();

  constructor(private readonly context: CallContext) {}

  open(connection: ServerConnection, id: number, head: RequestHead, timeout: string | undefined): ServerStream {
    const { context } = this;
    if (!isGrpc(head.contentType)) return new RefusedRequest(connection, id, head, 415, noGrpc(head.contentType));
    if (head.method !== "POST") return new RefusedRequest(connection, id, head, 405, noPost(head.method));
    const timeoutMs = timeout === undefined ? Infinity : parseTimeout(timeout);
    if (timeoutMs === undefined)
      return new RefusedCall(context, connection, id, head, this.uncounted, badTimeout(timeout ?? ""));
    const method = context.methods.get(head.path);
    if (method === undefined || method.kind === "unimplemented") {
      const stats = method?.stats ?? this.uncounted;
      return new RefusedCall(context, connection, id, head, stats, context.unknownMethod(head.path));
    }
    // No request is served within a microsecond; a timer would fire only after the method has been called.
    if (timeoutMs < 1e-3) return new RefusedCall(context, connection, id, head, method.stats, deadlineExceeded);
    switch (method.kind) {
      case "unary":
        return new UnaryCall(context, connection, id, head, timeoutMs, method);
      case "server-stream":
        return new ServerStreamCall(context, connection, id, head, timeoutMs, method);
      case "bidi":
        return new BidiCall(context, connection, id, head, timeoutMs, method);
    }
  }

  onClosed(connection: ServerConnection): void {
    this.connections.delete(connection);
  }

  onUnexpectedError(error: unknown): void {
    this.context.onUnexpectedError(error);
  }

  /** Ends all calls and streams in progress. */
  endAll(status: GrpcStatus): void {
    for (const connection of this.connections)
      for (const stream of [...connection.streams.values()]) stream.endWith(status);
  }
}

/** Whether a content type is gRPC's: `application/grpc`, possibly with a codec or parameters. */
const isGrpc = (contentType: string): boolean =>
  contentType === "application/grpc" || /^application\/grpc[+;]/.test(contentType);

const { internal, invalidArgument } = statusCode;

/** The text of grpc-go. */
const noGrpc = (contentType: string): GrpcStatus => ({
  code: invalidArgument,
  details: `invalid gRPC request content-type ${JSON.stringify(contentType)}`,
});
const noPost = (method: string): GrpcStatus => ({
  code: internal,
  details: `Received a HEADERS frame with :method ${JSON.stringify(method)} which should be POST`,
});
const badTimeout = (timeout: string): GrpcStatus => ({
  code: internal,
  details: `malformed grpc-timeout: transport: invalid timeout ${JSON.stringify(timeout)}`,
});

/** A call that is answered with a status at once, whatever the client sends. */
class RefusedCall extends GrpcCall {
  constructor(
    context: CallContext,
    client: ServerConnection,
    id: number,
    head: RequestHead,
    stats: MethodStats,
    private readonly status: GrpcStatus,
  ) {
    super(context, client, id, head, Infinity, stats);
  }

  onMessage(): boolean {
    return false;
  }

  protected override onBegin(): void {
    this.endWith(this.status);
  }

  protected override onHalfClose(): void {
    // ended at once
  }

  protected override onOver(): void {
    // no service to notify
  }
}

/** A request that is not gRPC. The request is read to its end and then answered, with a body, as HTTP clients expect. */
class RefusedRequest extends ServerStream {
  constructor(
    client: ServerConnection,
    id: number,
    head: RequestHead,
    private readonly httpStatus: number,
    private readonly status: GrpcStatus,
  ) {
    super(client.writer, id, 0, head.contentLength);
  }

  endWith(): void {
    if (!this.hasSentHeaders) this.carrier.sendRefusal(this, this.httpStatus, this.status);
  }

  protected override onBegin(): void {
    // the answer follows at the end of the body
  }

  protected override onData(): void {
    // dropped
  }

  protected override onRemoteEnd(): void {
    this.endWith();
  }

  protected override onReset(): void {
    // no service to notify
  }
}

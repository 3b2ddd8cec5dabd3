import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../platform/index.js";
import type { AnswerAccount } from "../base/index.js";
import { type GrpcStatus, type Method, RpcError, statusCode, statusOfError } from "../rpc/index.js";
import { BodyBudget } from "./body-reader.js";
import type { ClientSide } from "./client-side.js";
import type { GatewayContext, GatewayCall } from "./gateway-call.js";
import { HttpClientSide } from "./http-client-side.js";
import { OpenGatewayCalls } from "./open-gateway-calls.js";
import type { MethodSchema, Schemas } from "./message-schema.js";
import { routes } from "./routes.js";
import { BidiGatewayCall, ServerStreamGatewayCall } from "./stream-gateway-call.js";
import { WebSocketClientSide } from "./web-socket-client-side.js";
import { isWebSocketRequest, upgradeHead, webSocketRefusal } from "./web-socket-frames.js";
import { sendStatus, UnaryGatewayCall, unknownMethod } from "./unary-gateway-call.js";

/** Counts the untaken answers, by connection (`UntakenAnswers`). */
export interface AnswerAccounts {
  add(connection: Socket): AnswerAccount;
  delete(account: AnswerAccount): void;
}

/** Settings of a gateway. */
export interface GatewayOptions {
  /** The methods; those with a path in etcd's gateway are served. */
  readonly methods: readonly Method[];
  /** The maximum size of a request message, in bytes. */
  readonly maxMessageBytes: number;
  readonly accounts: AnswerAccounts;
  readonly clock: Clock;
}

/** Bytes of JSON per byte of a message: base64, names and spaces. A larger value is refused. */
const jsonBytesPerByte = 8;

/** The maximum number of bytes of incomplete bodies, over all connections; beyond, a body is refused: too many requests. */
const maxBytesOfBodies = 128 * 1024 * 1024;

/**
 * etcd's JSON gateway: gRPC methods as paths of HTTP/1.1, with JSON messages.
 *
 * @see etcd v3.7, "Why gRPC gateway"
 */
export class Gateway {
  private readonly methods: ReadonlyMap<string, Method>;
  private readonly accounts = new WeakMap<Socket, AnswerAccount>();
  private readonly schemaOf = new Map<string, MethodSchema>();
  private readonly context: GatewayContext;
  private schemas: Schemas | undefined;

  /** @param onUnexpectedError called with unexpected errors; the client gets INTERNAL */
  constructor(
    private readonly options: GatewayOptions,
    onUnexpectedError: (error: unknown) => void,
  ) {
    const { clock, maxMessageBytes } = options;
    this.methods = new Map(options.methods.map((method) => [method.path, method]));
    this.context = {
      clock,
      maxMessageBytes,
      maxBodyBytes: jsonBytesPerByte * maxMessageBytes,
      bodies: new BodyBudget(Math.max(maxBytesOfBodies, 2 * jsonBytesPerByte * maxMessageBytes)),
      calls: new OpenGatewayCalls(clock),
      onUnexpected: onUnexpectedError,
    };
  }

  /** Whether a path belongs to the gateway, known or not. */
  hasRoute(path: string): boolean {
    return path.startsWith("/v3/") || path.startsWith("/v3beta/");
  }

  /** Answers a request. @param path its path, without the query */
  serve(request: IncomingMessage, response: ServerResponse, path: string): void {
    const client = new HttpClientSide(request, response, this.accountOf(request.socket));
    const refusal = isWebSocketRequest(request) ? webSocketRefusal(request) : undefined;
    if (refusal !== undefined) return refuseWebSocket(response, refusal);
    const route = routeOf(path);
    if (route === undefined) return sendStatus(client, notFound);
    if (request.method !== "POST") return sendStatus(client, notAllowed);
    this.withSchema(route, client, (schema) => {
      const call = this.open(route, client, schema);
      if (call === undefined) return;
      request.on("data", (piece: Buffer) => call.onBody(piece));
      request.on("end", () => call.onBodyEnd());
      if (response.destroyed) call.onGone();
      else response.on("close", () => call.onGone());
      response.on("error", () => undefined); // "close" follows
    });
  }

  /** Whether a request is a valid request for a WebSocket on a path of the gateway. */
  shouldOpenWebSocket(request: IncomingMessage): boolean {
    return this.hasRoute(request.url ?? "") && isWebSocketRequest(request) && webSocketRefusal(request) === undefined;
  }

  /**
   * Answers a request for a WebSocket, as a request of method POST.
   *
   * @param seen the bytes that were read behind the request
   */
  serveWebSocket(request: IncomingMessage, seen: Buffer, path: string): void {
    const { socket } = request;
    socket.write(upgradeHead(request));
    const client = new WebSocketClientSide(request, socket, this.accountOf(socket));
    const route = routeOf(path);
    if (route === undefined) return sendStatus(client, notFound);
    this.withSchema(route, client, (schema) => {
      const call = this.open(route, client, schema);
      if (call !== undefined) client.serve(call, seen);
    });
  }

  /** Waits until no unary call is in progress, for `timeoutMs` at most. */
  whenIdle(timeoutMs: number): Promise<void> {
    return this.context.calls.whenAnswered(timeoutMs);
  }

  /** Waits up to `graceMs` for unary calls, then ends the remaining calls and the streams. */
  async stop(graceMs: number): Promise<void> {
    await this.whenIdle(graceMs);
    this.context.calls.endAll(serverStopped);
  }

  private accountOf(socket: Socket): AnswerAccount {
    const known = this.accounts.get(socket);
    if (known !== undefined) return known;
    const account = this.options.accounts.add(socket);
    this.accounts.set(socket, account);
    socket.once("close", () => this.options.accounts.delete(account));
    return account;
  }

  /** Creates the call of a route. @returns undefined: the client has got an error instead */
  private open(path: string, client: ClientSide, schema: MethodSchema): GatewayCall | undefined {
    const { context } = this;
    try {
      const method = this.methods.get(path);
      if (method === undefined) throw unknownMethod({ path });
      switch (method.kind) {
        case "unary":
        case "unimplemented":
          return new UnaryGatewayCall(context, client, schema, method);
        case "server-stream":
          return new ServerStreamGatewayCall(context, client, schema, method);
        case "bidi":
          return new BidiGatewayCall(context, client, schema, method);
      }
    } catch (error) {
      sendStatus(
        client,
        error instanceof RpcError
          ? error.status
          : statusOfError(error, (unexpected) => context.onUnexpected(unexpected)),
      );
      return undefined;
    }
  }

  /** Finds the messages of a method. The tables are built at the first request: most members get none. */
  private withSchema(path: string, client: ClientSide, use: (schema: MethodSchema) => void): void {
    const known = this.schemaOf.get(path);
    if (known !== undefined) return use(known);
    if (this.schemas === undefined) {
      import("./message-schema.js").then(
        ({ Schemas }) => {
          this.schemas ??= new Schemas();
          this.withSchema(path, client, use);
        },
        (error: unknown) =>
          sendStatus(
            client,
            statusOfError(error, (unexpected) => this.context.onUnexpected(unexpected)),
          ),
      );
      return;
    }
    const schema = this.schemas.ofMethod(path);
    this.schemaOf.set(path, schema);
    use(schema);
  }
}

/** Returns the gRPC path of a gateway path, also for the paths of early releases. */
const routeOf = (path: string): string | undefined =>
  routes.get(path.startsWith("/v3beta/") ? `/v3/${path.slice("/v3beta/".length)}` : path);

const notFound: GrpcStatus = { code: statusCode.notFound, details: "Not Found" };
const notAllowed: GrpcStatus = { code: statusCode.unimplemented, details: "Method Not Allowed" };
const serverStopped: GrpcStatus = { code: statusCode.unavailable, details: "etcdserver: server stopped" };

/** Refuses a WebSocket with the same page as etcd. */
const refuseWebSocket = (response: ServerResponse, status: 400 | 405): void => {
  const text = status === 400 ? "Bad Request\n" : "Method Not Allowed\n";
  response.writeHead(status, {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": text.length,
    "Sec-Websocket-Version": "13",
    "X-Content-Type-Options": "nosniff",
  });
  response.end(text);
};

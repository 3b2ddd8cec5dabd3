// A gRPC server with answers from the test, which records its requests.

import {
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
} from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { createServer, connect, type Socket } from "node:net";
import { once } from "node:events";
import {
  AuthDefinition,
  ClusterDefinition,
  KVDefinition,
  LeaseDefinition,
  MaintenanceDefinition,
  PutResponse,
  RangeResponse,
  WatchDefinition,
  type MessageFns,
} from "../../proto/index.js";
import { within } from "../support/deadline.js";

const deadlineMs = 20_000;

/** A status to fail with; `never`: the call gets no answer; `drop`: the connection is cut. */
export type Failing = { readonly code: number; readonly details: string } | "never" | "drop";

/**
 * Answers by the method's name on the wire: a message, a failure, a promise of one, or a function of the call.
 * Default: an empty message.
 */
export type Answers = Readonly<Record<string, object | Failing | ((call: Call) => object | Failing) | undefined>>;

export interface Call {
  readonly method: string;
  readonly request: unknown;
  /** The token in its metadata; absent: none. */
  readonly token?: string;
}

/** The server's side of one stream; the test sends its responses. */
export class FakeStream<Request = unknown, Response extends object = object> {
  isEnded = false;
  private readonly requests: Request[] = [];
  private wake: () => void = () => undefined;

  constructor(
    private readonly call: ServerDuplexStream<Request, Response>,
    readonly metadata: ReadonlyMap<string, unknown>,
  ) {
    call.on("data", (request: Request) => {
      this.requests.push(request);
      this.wake();
    });
    for (const event of ["end", "cancelled", "error"])
      call.on(event, () => {
        this.isEnded = true;
        this.wake();
      });
  }

  /** The next request, in order. */
  async request(): Promise<Request> {
    for (;;) {
      const request = this.requests.shift();
      if (request !== undefined) return request;
      assert.ok(!this.isEnded, "the client has ended the stream");
      await this.change("a request");
    }
  }

  /** Resolves when the client has canceled the stream. */
  async whenEnded(): Promise<void> {
    while (!this.isEnded) await this.change("the end of the stream");
  }

  send(response: Response): void {
    this.call.write(response);
  }

  end(): void {
    this.call.end();
  }

  fail(failing: { readonly code: number; readonly details: string }): void {
    this.call.emit("error", failing);
  }

  private change(what: string): Promise<void> {
    return within(deadlineMs, what, new Promise((resolve) => (this.wake = resolve)));
  }
}

/** A server behind a relay in this process, so that a test can cut or freeze connections. */
export class FakeServer implements AsyncDisposable {
  readonly calls: Call[] = [];
  /** All streams that clients have opened at this server. */
  readonly opened: FakeStream[] = [];
  answers: Answers = {};
  private readonly sockets = new Set<Socket>();
  /** Each accepted socket, with the socket that it is relayed to. */
  private readonly pipes = new Map<Socket, Socket>();
  private readonly waiting = new Set<() => void>();
  private readonly streams: FakeStream[] = [];

  private constructor(
    private readonly grpc: Server,
    private readonly relay: ReturnType<typeof createServer>,
    readonly endpoint: string,
  ) {}

  /** @param at a port of 127.0.0.1 or the path of a socket; default: any port */
  static async start(answers: Answers = {}, at: number | string = 0): Promise<FakeServer> {
    const grpc = new Server();
    const behind = await new Promise<number>((resolve, reject) => {
      grpc.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
    const relay = createServer({ noDelay: true }, (socket) => {
      const inner = connect({ port: behind, host: "127.0.0.1", noDelay: true });
      for (const [from, to] of [
        [socket, inner],
        [inner, socket],
      ] as const) {
        server.sockets.add(from);
        from
          .on("error", () => undefined)
          .on("close", () => {
            server.sockets.delete(from);
            server.pipes.delete(from);
            to.destroy();
          });
        server.pipes.set(from, to);
        from.pipe(to);
      }
    });
    if (typeof at === "string") relay.listen(at);
    else relay.listen(at, "127.0.0.1");
    await once(relay, "listening");
    const address = relay.address();
    const endpoint = typeof address === "string" ? `unix:${address}` : `127.0.0.1:${address?.port ?? 0}`;
    const server: FakeServer = new FakeServer(grpc, relay, endpoint);
    server.answers = answers;
    const services = [KVDefinition, LeaseDefinition, WatchDefinition, ClusterDefinition, MaintenanceDefinition];
    for (const service of [...services, AuthDefinition]) server.serve(service);
    return server;
  }

  get isListening(): boolean {
    return this.relay.listening;
  }

  /** Resolves with the next call, or immediately if one has come already. */
  async waitForCall(): Promise<void> {
    if (this.calls.length === 0) await new Promise<void>((resolve) => this.waiting.add(resolve));
  }

  /** Resolves with the next stream that a client opens at this server, in order. */
  stream<Request, Response extends object>(): Promise<FakeStream<Request, Response>> {
    return FakeServer.streamAtAny([this]);
  }

  /** Resolves with the next stream that a client opens at one of the servers. */
  static async streamAtAny<Request, Response extends object>(
    servers: readonly FakeServer[],
  ): Promise<FakeStream<Request, Response>> {
    for (;;) {
      const stream = servers.find(({ streams }) => streams.length > 0)?.streams.shift();
      if (stream !== undefined) return stream as unknown as FakeStream<Request, Response>;
      const opened = new Promise<void>((resolve) => servers.forEach(({ waiting }) => waiting.add(resolve)));
      await within(deadlineMs, "a stream", opened);
    }
  }

  /** Acts like SIGSTOP: connections stay open, and nothing is answered. */
  freeze(): void {
    for (const [from, to] of this.pipes) from.unpipe(to).pause();
  }

  /** Acts like SIGCONT: messages sent during the freeze arrive. */
  thaw(): void {
    for (const [from, to] of this.pipes) from.pipe(to);
  }

  /** Acts like a crash: closes all connections. */
  cutConnections(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  /** Stops the server; may be called twice. */
  async stop(): Promise<void> {
    if (this.isListening) {
      const closed = once(this.relay, "close");
      this.relay.close();
      this.cutConnections();
      await closed;
    }
    this.grpc.forceShutdown();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  private serve(service: { readonly fullName: string; readonly methods: object }): void {
    const methods = Object.values(service.methods) as readonly Method[];
    for (const method of methods) {
      const path = `/${service.fullName}/${method.name}`;
      const encode = (message: object) =>
        Buffer.from(method.responseType.encode(method.responseType.create(message)).finish());
      const decode = (bytes: Buffer) => method.requestType.decode(bytes);
      const isStream = method.requestStream || method.name === "Snapshot"; // a RangeStream has one answer here
      if (isStream) this.grpc.register(path, this.acceptStream, encode, decode, "bidi");
      else this.grpc.register(path, this.acceptCall(method.name), encode, decode, "unary");
    }
  }

  private readonly acceptStream = (call: ServerDuplexStream<unknown, object>) => {
    const stream = new FakeStream(call, new Map(Object.entries(call.metadata.getMap())));
    this.opened.push(stream);
    this.streams.push(stream);
    for (const resume of this.waiting) resume();
  };

  private acceptCall(name: string) {
    return (call: ServerUnaryCall<unknown, object>, answer: sendUnaryData<object>) => {
      const [token] = call.metadata.get("token");
      const called = { method: name, request: call.request, ...(token === undefined ? {} : { token: String(token) }) };
      this.calls.push(called);
      for (const resume of this.waiting) resume();
      const given = this.answers[name] ?? {};
      this.answer(typeof given === "function" ? (given as (call: Call) => object | Failing)(called) : given, answer);
    };
  }

  private answer(answer: object | Failing, send: sendUnaryData<object>): void {
    if (answer === "never") return;
    if (answer instanceof Promise) return void answer.then((given: object) => this.answer(given, send));
    if (answer === "drop") this.cutConnections();
    else if (typeof answer === "object" && "details" in answer) send(answer);
    else send(null, answer);
  }
}

interface Method {
  readonly name: string;
  readonly requestStream: boolean;
  readonly requestType: MessageFns<unknown>;
  readonly responseType: MessageFns<object>;
}

const utf8 = (text: string) => new TextEncoder().encode(text);

/** Returns the answer to a get of one key. */
export const oneKey = (key: string, value: string) =>
  RangeResponse.create({ kvs: [{ key: utf8(key), value: utf8(value), version: 1n }], count: 1n });

export const putAt = (revision: bigint) => PutResponse.create({ header: { revision } });

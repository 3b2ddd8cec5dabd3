// A gRPC server that answers as a test tells it to, and remembers what it was asked.

import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from "@grpc/grpc-js";
import { createServer, connect, type Socket } from "node:net";
import { once } from "node:events";
import {
  ClusterDefinition,
  KVDefinition,
  MaintenanceDefinition,
  PutResponse,
  RangeResponse,
  type MessageFns,
} from "../../proto/index.js";

/** A status to fail with; `never`: leave the call without an answer; `drop`: cut the connection. */
export type Failing = { readonly code: number; readonly details: string } | "never" | "drop";

/** The answer to a method, by its name on the wire, or how it fails. Default: an empty message. */
export type Answers = Readonly<Record<string, object | Failing | undefined>>;

export interface Call {
  readonly method: string;
  readonly request: unknown;
}

/** Requests travel through a relay of ours, so that a connection can be cut at a chosen moment. */
export class FakeServer implements AsyncDisposable {
  readonly calls: Call[] = [];
  answers: Answers = {};
  private readonly sockets = new Set<Socket>();
  private readonly waiting = new Set<() => void>();

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
    const relay = createServer((socket) => {
      const inner = connect(behind, "127.0.0.1");
      for (const [from, to] of [
        [socket, inner],
        [inner, socket],
      ] as const) {
        server.sockets.add(from);
        from
          .on("error", () => undefined)
          .on("close", () => {
            server.sockets.delete(from);
            to.destroy();
          });
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
    for (const service of [KVDefinition, ClusterDefinition, MaintenanceDefinition]) server.serve(service);
    return server;
  }

  /** Resolves with the next call, or at once if one has come already. */
  async called(): Promise<void> {
    if (this.calls.length === 0) await new Promise<void>((resolve) => this.waiting.add(resolve));
  }

  /** As a crash would. */
  cutConnections(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.relay, "close");
    this.relay.close();
    this.cutConnections();
    this.grpc.forceShutdown();
    await closed;
  }

  private serve(service: { readonly fullName: string; readonly methods: object }): void {
    const methods = Object.values(service.methods) as readonly {
      readonly name: string;
      readonly requestType: MessageFns<unknown>;
      readonly responseType: MessageFns<object>;
    }[];
    for (const { name, requestType, responseType } of methods)
      this.grpc.register(
        `/${service.fullName}/${name}`,
        (call: ServerUnaryCall<unknown, object>, answer: sendUnaryData<object>) => {
          this.calls.push({ method: name, request: call.request });
          for (const resume of this.waiting) resume();
          this.answer(this.answers[name] ?? {}, answer);
        },
        (message: object) => Buffer.from(responseType.encode(responseType.create(message)).finish()),
        (bytes: Buffer) => requestType.decode(bytes),
        "unary",
      );
  }

  private answer(answer: object | Failing, send: sendUnaryData<object>): void {
    if (answer === "never") return;
    if (answer === "drop") this.cutConnections();
    else if (typeof answer === "object" && "details" in answer) send(answer);
    else send(null, answer);
  }
}

const utf8 = (text: string) => new TextEncoder().encode(text);

/** The answer to a get of one key. */
export const oneKey = (key: string, value: string) =>
  RangeResponse.create({ kvs: [{ key: utf8(key), value: utf8(value), version: 1n }], count: 1n });

export const putAt = (revision: bigint) => PutResponse.create({ header: { revision } });

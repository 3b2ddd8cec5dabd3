import type { Duplex } from "node:stream";
import { experimental, ServerCredentials, type Server } from "@grpc/grpc-js";
import { connectionCalls } from "./connection-call.js";
import type { AnsweredConnection, UntakenAnswers, UntakenOfConnection } from "../engine/index.js";

/** A connection that a grpc-js server reads and writes. */
export type ServedConnection = Duplex &
  AnsweredConnection & { readonly certificateName?: string | undefined; readonly remoteAddress?: string | undefined };

interface Served {
  readonly connection: ServedConnection;
  readonly injector: ReturnType<Server["createConnectionInjector"]>;
  readonly untaken: UntakenOfConnection;
}

/**
 * The connections of a grpc-js server. Each is injected separately, with an interceptor of its own: grpc-js gives a call only
 * the address of its peer, and clients of unix sockets have none.
 */
export class ServedConnections {
  private readonly served = new Map<string, Served>();
  private added = 0;
  private isDraining = false;

  constructor(
    private readonly server: Server,
    private readonly untaken: UntakenAnswers,
  ) {}

  add(connection: ServedConnection): void {
    if (this.isDraining) {
      connection.destroy();
      return;
    }
    const name = String((this.added += 1));
    const untaken = this.untaken.add(connection);
    const interceptors = [connectionCalls(name, untaken)];
    const insecure = ServerCredentials.createInsecure();
    const injector = this.server.createConnectionInjector(
      experimental.createServerCredentialsWithInterceptors(insecure, interceptors),
    );
    this.served.set(name, { connection, injector, untaken });
    connection.on("close", () => {
      this.served.delete(name);
      this.untaken.delete(untaken);
      if (!this.isDraining) injector.destroy();
    });
    injector.injectConnection(connection);
  }

  /** Returns the untaken answers of a call's connection; undefined: the connection is closed. */
  untakenBytesOf(call: { getPeer(): string }): UntakenOfConnection | undefined {
    return this.served.get(call.getPeer())?.untaken;
  }

  /** Returns the common name of the certificate of a call's client; undefined: there is none, or the connection is closed. */
  certificateNameOf(call: { getPeer(): string }): string | undefined {
    return this.served.get(call.getPeer())?.connection.certificateName;
  }

  /** Returns the address of a call's client; undefined: there is none, or the connection is closed. */
  remoteAddressOf(call: { getPeer(): string }): string | undefined {
    return this.served.get(call.getPeer())?.connection.remoteAddress;
  }

  /** Closes each HTTP/2 session after the end of its last stream, and accepts no more connections. May be called twice. */
  drain(): void {
    if (this.isDraining) return;
    this.isDraining = true;
    for (const { injector } of this.served.values()) injector.destroy();
  }

  /** Waits until all connections are closed; destroys them after `timeoutMs`. */
  async whenClosed(timeoutMs: number): Promise<void> {
    const connections = [...this.served.values()].map(({ connection }) => connection);
    const end = setTimeout(() => connections.forEach((each) => each.destroy()), timeoutMs);
    await Promise.all(connections.map((connection) => whenClosed(connection)));
    clearTimeout(end);
  }
}

/** Not `once` of node:events, which would reject on a connection error. */
const whenClosed = (connection: Duplex): Promise<void> =>
  new Promise((resolve) => connection.once("close", () => resolve()));

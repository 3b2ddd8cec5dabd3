import type { Duplex } from "node:stream";
import { experimental, ServerCredentials, type Server } from "@grpc/grpc-js";
import { connectionCalls } from "./connection-call.js";
import type { AnsweredConnection, UntakenAnswers, UntakenOfConnection } from "./untaken-answers.js";

/** A connection that a grpc-js server reads and writes. */
export type ServedConnection = Duplex &
  AnsweredConnection & { readonly certificateName?: string | undefined; readonly remoteAddress?: string | undefined };

interface Served {
  readonly connection: ServedConnection;
  readonly injector: ReturnType<Server["createConnectionInjector"]>;
  readonly untaken: UntakenOfConnection;
}

/**
 * The connections that a grpc-js server serves. Each is injected by itself, with an interceptor of its own: grpc-js tells a call
 * nothing of its connection but the address of the other end, and those of unix sockets have none.
 */
export class ServedConnections {
  private readonly served = new Map<string, Served>();
  private added = 0;
  private draining = false;

  constructor(
    private readonly server: Server,
    private readonly untaken: UntakenAnswers,
  ) {}

  add(connection: ServedConnection): void {
    if (this.draining) {
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
      if (!this.draining) injector.destroy();
    });
    injector.injectConnection(connection);
  }

  /** Returns the untaken answers of a call's connection; undefined: the connection is closed. */
  untakenBytesOf(call: { getPeer(): string }): UntakenOfConnection | undefined {
    return this.served.get(call.getPeer())?.untaken;
  }

  /** Returns the common name of the certificate of a call's client; undefined: it has none, or the connection is closed. */
  certificateNameOf(call: { getPeer(): string }): string | undefined {
    return this.served.get(call.getPeer())?.connection.certificateName;
  }

  /** Returns the address that a call's client connects from; undefined: it has none, or the connection is closed. */
  remoteAddressOf(call: { getPeer(): string }): string | undefined {
    return this.served.get(call.getPeer())?.connection.remoteAddress;
  }

  /** Closes each HTTP/2 session as soon as its last stream has ended, and takes no more connections. May be called twice. */
  drain(): void {
    if (this.draining) return;
    this.draining = true;
    for (const { injector } of this.served.values()) injector.destroy();
  }

  /** Waits for all to close; after `patienceMs` they are ended. */
  async whenClosed(patienceMs: number): Promise<void> {
    const connections = [...this.served.values()].map(({ connection }) => connection);
    const end = setTimeout(() => connections.forEach((each) => each.destroy()), patienceMs);
    await Promise.all(connections.map((connection) => whenClosed(connection)));
    clearTimeout(end);
  }
}

/** Not `once`, which would take a connection that breaks for a failure to stop. */
const whenClosed = (connection: Duplex): Promise<void> =>
  new Promise((resolve) => connection.once("close", () => resolve()));

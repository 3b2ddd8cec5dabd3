import type { Socket } from "node:net";
import type { MemberUrl } from "../base/index.js";
import type { HttpServer } from "../http/index.js";
import { type ClientConnections, type ConnectionServer, listen, type Listener } from "../net/index.js";
import type { SecurePorts } from "./secure-ports.js";

/** The components that serve the metrics URLs. */
export interface MetricsPortParts {
  /** Serves the pages of metrics and health. */
  readonly http: HttpServer;
  /** Bounds the connections, together with those of clients. */
  readonly connections: ClientConnections;
  /** Performs the handshakes of `https` URLs. */
  readonly tls: Pick<SecurePorts, "ofClient">;
  readonly onAcceptError: (error: Error) => void;
}

/** The ports of `--listen-metrics-urls`: metrics and health, for programs without access to the client port. */
export class MetricsPort {
  private constructor(
    private readonly listener: Listener,
    private readonly http: HttpServer,
    private readonly connections: ClientConnections,
  ) {}

  /**
   * Binds the URLs, if there are any, and serves the pages of metrics and health at once.
   *
   * @throws StartError if an address is in use or cannot be bound
   */
  static async open(urls: readonly MemberUrl[], parts: MetricsPortParts): Promise<MetricsPort> {
    const { http, connections, tls, onAcceptError } = parts;
    connections.start({ http2: refused, http1: http });
    const listener = await listen(urls, (socket, url) => connections.accept(socket, tls.ofClient(url)), onAcceptError);
    return new MetricsPort(listener, http, connections);
  }

  /** Closes the ports and all connections. */
  close(): Promise<void> {
    this.connections.close();
    this.http.stop();
    return this.listener.close();
  }
}

/** Closes connections of HTTP/2: these URLs speak HTTP/1.1 only, as in etcd. */
const refused: ConnectionServer = { serve: (socket: Socket) => socket.destroy() };

import type { Socket } from "node:net";
import type { Clock } from "../../platform/index.js";
import type { MemberUrl } from "../base/index.js";
import { HttpServer, type Pages } from "../http/index.js";
import { type ClientConnections, listen, type Listener } from "../net/index.js";
import type { SecurePorts } from "./secure-ports.js";

/** The components that serve the metrics URLs. */
export interface MetricsPortParts {
  readonly pages: Pages;
  readonly clock: Clock;
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
    const { clock, connections, tls, onAcceptError } = parts;
    const http = new HttpServer(metricsAndHealth(parts.pages), clock);
    connections.start({
      http2: (socket: Socket) => socket.destroy(), // HTTP/1.1 only, as in etcd
      http1: (socket, seen) => http.serve(socket, seen),
    });
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

/** Leaves out the pages that etcd serves on the client port only. */
const metricsAndHealth =
  (pages: Pages): Pages =>
  (method, url, headers) =>
    pages(method, /^\/(metrics|health|livez|readyz)([/?]|$)/.test(url) ? url : "/", headers);

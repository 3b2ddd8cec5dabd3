// The port of one machine, for clients outside of this process. It is bound once, and so the same after kills and restarts.

import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { messageOverheadBytes, reportedVersions } from "../../../server/base/index.js";
import { featuresOf, type MemberConfig } from "../../../server/config/index.js";
import { Gateway } from "../../../server/gateway/index.js";
import { createPages, HealthStats, HttpServer } from "../../../server/http/index.js";
import { debugVariables, metricsText } from "../../../server/metrics/index.js";
import { ClientConnections, type Engine, loadEngine, UntakenAnswers } from "../../../server/net/index.js";
import { TlsAcceptor } from "../../../server/tls/index.js";
import type { PortTls } from "./port-tls.js";
import type { RunningMember } from "./running-member.js";

type CreateEngine = Awaited<ReturnType<typeof loadEngine>>;

/** A port on 127.0.0.1. Neither it nor its connections keep the process alive. */
export class ClientPort {
  /** The accepted connections. */
  private readonly accepted = new Set<Socket>();
  /** The connections that are read: the accepted ones, or, with TLS, the TLS sockets over them. */
  private readonly sockets = new Set<Socket>();
  /** The sockets that `pause` of this class paused, not the sockets' owner. */
  private readonly paused = new Set<Socket>();
  private isPaused = false;
  private connections: ClientConnections | undefined;
  private engine: Engine | undefined;
  private acceptor: TlsAcceptor | undefined;

  private constructor(
    private readonly server: Server,
    private readonly createEngine: CreateEngine,
    private readonly tls: PortTls | undefined,
  ) {
    server.on("connection", (socket) => this.accept(socket));
    server.unref();
  }

  /** Binds a free port. @param tls undefined: without TLS */
  static async open(tls: PortTls | undefined): Promise<ClientPort> {
    const createEngine = await loadEngine("native");
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", () => {
        server.removeListener("error", reject);
        resolve();
      });
    });
    return new ClientPort(server, createEngine, tls);
  }

  /** `127.0.0.1:port` */
  get endpoint(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Serves the clients of a member that is ready. */
  serve({ services, replica, environment }: RunningMember, config: MemberConfig): void {
    const { clock, logger } = environment;
    const untaken = new UntakenAnswers(clock, () => undefined);
    const { methods } = services;
    const maxRequestBytes = config.store.maxRequestBytes + messageOverheadBytes;
    const onUnexpectedError = (error: unknown): void => logger.error("a request failed unexpectedly", { error });
    const engine = this.createEngine({
      clock,
      untaken,
      methods,
      maxRequestBytes,
      maxConcurrentStreams: config.clients.maxConcurrentStreams,
      rules: config.clients,
      onUnexpectedError,
    });
    const gatewayOptions = { methods, maxMessageBytes: maxRequestBytes, accounts: untaken, clock };
    const versions = reportedVersions(config.member.emulatedVersion);
    const { application } = services;
    const stats = new HealthStats();
    const features = featuresOf(config.store);
    const measured = { replica, versions, features, methods, requests: services.requestStats, health: stats, clock };
    const numbers = { readMetrics: () => metricsText(measured), readVariables: () => debugVariables(measured) };
    const pages = createPages({ application, node: replica.node, applied: replica.applier, stats, versions, numbers });
    const http = new HttpServer(pages, clock, config.clients, new Gateway(gatewayOptions, onUnexpectedError));
    const connections = new ClientConnections();
    connections.start({ http2: engine, http1: http });
    this.connections = connections;
    this.engine = engine;
    if (this.tls !== undefined) this.acceptor = new TlsAcceptor({ port: "client", ...this.tls, clock, logger });
  }

  /** The member is gone: all connections break, and new ones are refused. */
  cut(): void {
    this.connections = undefined;
    void this.engine?.stop(0);
    this.engine = undefined;
    this.acceptor?.close();
    this.acceptor = undefined;
    for (const socket of this.accepted) socket.destroy();
    this.resume();
  }

  /** Stops reading from all clients. */
  pause(): void {
    this.isPaused = true;
    for (const socket of this.sockets) this.hold(socket);
  }

  resume(): void {
    this.isPaused = false;
    for (const socket of this.paused) socket.resume();
    this.paused.clear();
  }

  close(): Promise<void> {
    this.cut();
    return new Promise((resolve) => void this.server.close(() => resolve()));
  }

  private accept(socket: Socket): void {
    socket.unref();
    socket.on("error", () => undefined); // "close" follows
    if (this.connections === undefined) {
      socket.destroy();
      return;
    }
    this.accepted.add(socket);
    socket.once("close", () => this.accepted.delete(socket));
    const { acceptor } = this;
    if (acceptor === undefined) {
      this.connections.accept(socket);
      this.serveOn(socket);
    } else
      this.connections.accept(socket, (raw, onSecure) =>
        acceptor.secure(raw, (secured) => {
          onSecure(secured);
          this.serveOn(secured);
        }),
      );
  }

  private serveOn(socket: Socket): void {
    this.sockets.add(socket);
    socket.once("close", () => {
      this.sockets.delete(socket);
      this.paused.delete(socket);
    });
    if (this.isPaused) this.hold(socket);
  }

  private hold(socket: Socket): void {
    if (socket.isPaused()) return;
    socket.pause();
    this.paused.add(socket);
  }
}

import { asError } from "../../platform/index.js";
import type { CoreStatus, MemberId } from "../../raft/index.js";
import type { MemberConfig } from "../config/index.js";
import { type DescriptorShare, processDescriptors } from "../resources/index.js";
import {
  type Address,
  formatAddress,
  isLoopback,
  type MemberUrl,
  type PortAddress,
  refusalCounter,
  reportedVersions,
  ServerError,
} from "../base/index.js";
import { ClientConnections, listen, type Listener, type OnConnection, loadEngine } from "../net/index.js";
import { MetricsPort } from "./metrics-port.js";
import { ProcessParts, type MemberEnvironment } from "./parts.js";
import { SecurePorts } from "./secure-ports.js";
import { storageOf } from "./storage.js";
import { openReplica, type Replica, type ReplicaListener } from "./replica.js";
import { createServing, type Serving } from "./serving.js";

/** The time for calls in progress to end when the member stops, in milliseconds. */
const stopGraceMs = 5_000;

/** The ports of a member, and the connections to them. */
interface Ports {
  readonly client: Listener;
  readonly peer: Listener;
  readonly metrics: MetricsPort;
  readonly tls: SecurePorts;
  /** The connections of clients; they wait until the member serves. */
  readonly connections: ClientConnections;
  /** The member's share of the process's file descriptors. */
  readonly share: DescriptorShare;
}

/**
 * A member of a cluster: its replica of the log and the store, the links to its peers, and the services on its client port. The
 * member owns everything that it opens.
 */
export class Member implements AsyncDisposable {
  private clientPortClosing: Promise<void> | undefined;
  private stopping: Promise<void> | undefined;
  /** The failure that stopped the member, or the first failure during its stop. */
  private failure: Error | undefined;
  private settleStopped: (failure: Error | undefined) => void = () => undefined;

  /** Resolves once clients are served: this member has applied its published name and URLs. */
  readonly whenReady: Promise<void>;
  /** Resolves at the end of the member: with its failure, or undefined after `stop`. */
  readonly whenStopped: Promise<Error | undefined>;

  private constructor(
    private readonly config: MemberConfig,
    private readonly environment: MemberEnvironment,
    private readonly ports: Ports,
    private readonly replica: Replica,
    private readonly serving: Serving,
  ) {
    this.whenStopped = new Promise((resolve) => (this.settleStopped = resolve));
    this.whenReady = this.join();
    this.whenReady.catch((error: unknown) => {
      if (this.stopping === undefined) this.fail(error);
    });
  }

  /**
   * Binds the ports, opens the data directory and starts consensus. `whenReady` resolves when clients are served.
   *
   * @throws StartError with the obstacle and a remedy
   */
  static async start(config: MemberConfig, environment: MemberEnvironment): Promise<Member> {
    const share = shareOfDescriptors(config, environment);
    const connections = clientConnections(environment, share); // early connections wait for the member
    warnAboutStorage(config, environment);
    const onAcceptError = acceptErrors(environment);
    let tls: SecurePorts | undefined;
    let peer: Listener | undefined;
    let client: Listener | undefined;
    let metrics: MetricsPort | undefined;
    let replica: Replica | undefined;
    const events = new ReplicaEvents(environment);
    try {
      const createEngine = await loadEngine(config.clients.rpcEngine);
      // A connection with TLS is first in a handshake, then waits for its hello: half of the share for each.
      const handshakes = config.security.tls.peer === undefined ? 0 : Math.ceil(share.unknownPeers / 2);
      const secure = (tls = await SecurePorts.open(config, environment, handshakes));
      const parts = new ProcessParts(share.unknownPeers - handshakes, storageOf(config.member.storage), tls.dialer);
      peer = await listen(
        config.urls.listenPeer,
        tls.takePeers((socket) => parts.accept(socket)),
        onAcceptError,
      );
      const onClient: OnConnection = (socket, url) => connections.accept(socket, secure.ofClient(url));
      client = await listen(config.urls.listenClient, onClient, onAcceptError);
      replica = await openReplica(parts, config, environment, events);
      const serving = createServing(config, environment, replica, createEngine);
      const metricsConnections = clientConnections(environment, share);
      const metricsHttp = serving.createMetricsHttp();
      const metricsParts = { http: metricsHttp, connections: metricsConnections, tls, onAcceptError };
      metrics = await MetricsPort.open(config.urls.listenMetrics, metricsParts);
      const member = new Member(
        config,
        environment,
        { client, peer, tls, metrics, connections, share },
        replica,
        serving,
      );
      events.passFailuresTo((error) => member.fail(error));
      member.warnAboutOpenPorts();
      return member;
    } catch (error) {
      tls?.close();
      connections.close();
      await Promise.allSettled([peer?.close(), client?.close(), metrics?.close(), replica?.close()]);
      share.release();
      throw error;
    }
  }

  /** The addresses at which clients connect, with the real ports. */
  get clientAddresses(): readonly Address[] {
    return this.ports.client.addresses;
  }

  /** The endpoints that a client connects to, with the real ports: `new Client({ endpoints: member.endpoints })`. */
  get endpoints(): readonly string[] {
    return this.ports.client.addresses.map(endpointOf);
  }

  /** The id of this member in its cluster. */
  get id(): MemberId {
    return this.replica.id;
  }

  /** Returns the role, the term and the log positions of this member. */
  status(): CoreStatus {
    return this.replica.node.status();
  }

  /** The number of clients' requests and applied entries: grows while the member is busy. */
  workCount(): number {
    let count: number = this.replica.applier.appliedIndex;
    for (const { stats } of this.serving.methods) count += stats.started + stats.received;
    return count;
  }

  /** Whether the member is being stopped, or has failed. */
  get isStopping(): boolean {
    return this.stopping !== undefined;
  }

  /**
   * Stops serving clients; resolves when the calls in progress have ended, after 5 s at the latest. Streams and consensus
   * continue. To stop several members, drain all of them first, while there is a quorum for their calls.
   */
  async drain(): Promise<void> {
    void this.stopAccepting();
    await Promise.all([this.serving.engine.drain(stopGraceMs), this.serving.http.drain(stopGraceMs)]);
  }

  /** Reopens the file of the audit log, if there is one, after a program for log rotation has renamed it. */
  reopenAuditLog(): void {
    const { logger } = this.environment;
    try {
      this.replica.auditFile?.reopen();
      logger.info("reopened the audit log", { path: this.config.monitoring.auditLog });
    } catch (error) {
      logger.error("cannot reopen the audit log: the former file stays in use", { error: asError(error) });
    }
  }

  /**
   * Stops in order: no new calls; transfer of leadership; end of calls in progress; streams; links; store, log, lock. Consensus
   * runs until the links close, so that those calls can still succeed. May be called twice.
   */
  stop(): Promise<void> {
    this.stopping ??= this.shutDown(stopGraceMs);
    return this.stopping;
  }

  /** Stops the member, as `stop` does. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  private async join(): Promise<void> {
    const { logger } = this.environment;
    const clientUrls = advertisedUrlsOf(this.config.urls.advertiseClient, this.clientAddresses);
    await this.replica.publish({ name: this.config.member.name, clientUrls });
    if (this.stopping !== undefined) throw new ServerError("server-stopped", "the member was stopped while it joined");
    this.ports.connections.start({ http2: this.serving.engine, http1: this.serving.http });
    logger.info("ready to serve client requests", {
      version: reportedVersions(this.config.member.emulatedVersion).server,
      name: this.config.member.name,
      memberId: this.replica.id,
      clusterId: this.replica.clusterId,
      clientAddresses: this.clientAddresses.map(formatAddress),
      peerAddresses: this.ports.peer.addresses.map(formatAddress),
    });
  }

  /** Stops the member at once after a failure that cannot be repaired; the other members continue without it. */
  private fail(reason: unknown): void {
    this.failure ??= asError(reason);
    if (this.stopping !== undefined) return;
    this.environment.logger.error("fatal: stopping member", { error: this.failure });
    this.stopping = this.shutDown(0);
  }

  private async shutDown(graceMs: number): Promise<void> {
    const unbound = [this.stopAccepting()];
    const steps = [
      () => this.replica.transferLeadership(),
      () => Promise.all([this.serving.engine.stop(graceMs), this.serving.http.drainAndEnd(graceMs)]),
      () => {
        this.serving.http.stop();
        unbound.push(this.ports.metrics.close());
        unbound.push(this.ports.peer.close());
        this.ports.tls.close();
        return this.replica.close();
      },
      () => Promise.all(unbound),
    ];
    // A failed step does not keep later ones from closing. The first failure is reported.
    for (const step of steps) await step().catch((error: unknown) => (this.failure ??= asError(error)));
    this.ports.share.release();
    this.settleStopped(this.failure);
  }

  /** Closes the client port and refuses new calls. @returns when all client connections have ended */
  private stopAccepting(): Promise<void> {
    this.clientPortClosing ??= this.ports.client.close();
    this.ports.tls.closeClients();
    this.ports.connections.close();
    void this.serving.http.drain();
    void this.serving.engine.drain(0);
    this.serving.waiting.stop();
    return this.clientPortClosing;
  }

  private warnAboutOpenPorts(): void {
    const open = [...this.ports.client.addresses, ...this.ports.peer.addresses].filter(
      (address) => address.isSecure !== true && !isLoopback(address),
    );
    if (open.length > 0)
      this.environment.logger.warn(
        "listening without TLS: traffic is not encrypted, and without authentication everybody who reaches these addresses can read and write",
        { addresses: open.map(formatAddress) },
      );
  }
}

/** Passes the events of a replica on: its failures to the member, as soon as there is one. */
class ReplicaEvents implements ReplicaListener {
  /** The first failure before there was a member. */
  private failure: Error | undefined;
  private fail = (error: Error): void => {
    this.failure ??= error;
  };

  constructor(private readonly environment: MemberEnvironment) {}

  /** Passes later failures to `fail`, and at once the first one before this call, if there was one. */
  passFailuresTo(fail: (error: Error) => void): void {
    this.fail = fail;
    if (this.failure !== undefined) fail(this.failure);
  }

  onFailure(error: Error): void {
    this.fail(error);
  }

  onStatusChange(status: CoreStatus): void {
    this.environment.onLeaderChange?.(status);
  }
}

/** Warns if the kind of storage is less durable than a user may expect. */
const warnAboutStorage = ({ member: { storage } }: MemberConfig, { logger }: MemberEnvironment): void => {
  if (storage === "memory") logger.warn("all data is in memory: it is lost when this member ends");
  if (storage === "unsynced disk")
    logger.warn(
      "nothing is synced: a power cut or a crash of the system may lose acknowledged writes, or damage the data",
    );
};

/** Returns an endpoint for the client. */
const endpointOf = (address: PortAddress): string => {
  if (address.kind === "unix") return `${address.isSecure === true ? "unixs" : "unix"}:${address.path}`;
  return `${address.isSecure === true ? "https://" : ""}${formatAddress(address)}`;
};

/** Replaces port 0 of advertised URLs by the bound port. */
const advertisedUrlsOf = (urls: readonly MemberUrl[], bound: readonly Address[]): string[] => {
  const first = bound.find((address) => address.kind === "tcp");
  const port = first?.kind === "tcp" ? first.port : 0;
  return urls.map(({ text, address }) =>
    address.kind === "tcp" && address.port === 0 ? text.replace(/:0$/, `:${port}`) : text,
  );
};

/** Reserves the file descriptors of this member, and logs how many are left to connections. */
const shareOfDescriptors = ({ initialCluster }: MemberConfig, { logger }: MemberEnvironment): DescriptorShare => {
  const descriptors = processDescriptors();
  // A restart need not name the peers: assume two of them, as in a cluster of three.
  const share = descriptors.share(Math.max(initialCluster.members.length - 1, 2));
  logger.info("file descriptor limits", {
    limit: descriptors.limit,
    maxClientConnections: share.clients.max,
    maxUnknownPeerConnections: share.unknownPeers,
  });
  return share;
};

const clientConnections = ({ clock, logger }: MemberEnvironment, { clients }: DescriptorShare): ClientConnections =>
  new ClientConnections(
    clients,
    refusalCounter(clock, (count) =>
      logger.warn("refused client connections: limit reached", { count, max: clients.max }),
    ),
    refusalCounter(clock, (count) =>
      logger.warn(
        "closed client connections: they speak TLS, and this URL is http (clients use http://, or members https)",
        {
          count,
        },
      ),
    ),
  );

const acceptErrors = ({ clock, logger }: MemberEnvironment): ((error: Error) => void) => {
  let last: Error | undefined;
  const countError = refusalCounter(clock, (count) =>
    logger.error("cannot accept connections", { count, error: last }),
  );
  return (error) => {
    last = error;
    countError();
  };
};

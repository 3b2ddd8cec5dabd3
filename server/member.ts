import type { Socket } from "node:net";
import { isUtf8 } from "node:buffer";
import {
  AuthDefinition,
  ClusterDefinition,
  ElectionDefinition,
  HealthDefinition,
  KVDefinition,
  LeaseDefinition,
  LockDefinition,
  MaintenanceDefinition,
  WatchDefinition,
} from "../proto/index.js";
import { noMember, type Clock, type CoreStatus } from "../raft/index.js";
import type { MemberConfig } from "./config.js";
import { ServerError } from "./errors.js";
import { messageOverheadBytes } from "./limits.js";
import { listen, type Listener } from "./listen.js";
import type { Logger } from "./logger.js";
import { openReplica, type Replica } from "./replica.js";
import { ClientConnections } from "./rpc/client-connections.js";
import { createGrpcJsEngine, type Engine } from "./rpc/grpc-js-engine.js";
import { LeaderRequired, requiresLeader } from "./rpc/leader-required.js";
import { unimplementedMethods, type Call, type Method } from "./rpc/method-table.js";
import { clusterMethods } from "./services/cluster.js";
import { healthMethods } from "./services/health.js";
import { kvMethods } from "./services/kv.js";
import { leaseMethods, minLeaseTtl } from "./services/lease.js";
import { maintenanceMethods } from "./services/maintenance.js";
import { ResponseHeaders } from "./services/response-header.js";
import { watchMethods } from "./services/watch.js";
import { formatAddress, isLoopback, type Address, type MemberUrl } from "./urls.js";
import { serverVersion } from "./version.js";

/** What a member takes from the world besides its configuration. */
export interface MemberEnvironment {
  readonly clock: Clock;
  /** Uniform in [0, 1): election timeouts. */
  readonly random: () => number;
  readonly logger: Logger;
  /** The known leader or its term changed. */
  readonly onLeaderChange?: (status: CoreStatus) => void;
}

/** How long calls under way may take to end when the member stops. */
const stopGraceMs = 5_000;

/**
 * One member of a cluster: its replica of the log and the store, the links to the other members, and the services
 * on its client port. Owns everything it opens.
 */
export class Member {
  private readonly connections = new ClientConnections();
  private stopping: Promise<void> | undefined;
  /** Why it ended, or how its end went wrong. */
  private failure: Error | undefined;
  private settleStopped: (failure: Error | undefined) => void = () => undefined;

  /** Resolves once clients are served: the member has joined, and the cluster knows its name and URLs. */
  readonly ready: Promise<void>;
  /** Resolves when the member has ended: with the failure that ended it, or undefined after `stop`. */
  readonly stopped: Promise<Error | undefined>;

  private constructor(
    private readonly config: MemberConfig,
    private readonly environment: MemberEnvironment,
    private readonly listeners: { readonly client: Listener; readonly peer: Listener },
    private readonly replica: Replica,
    private readonly engine: Engine,
    acceptFrom: Acceptors,
  ) {
    this.stopped = new Promise((resolve) => (this.settleStopped = resolve));
    acceptFrom.client = (socket) => this.connections.accept(socket);
    acceptFrom.peer = (socket) => replica.peers.accept(socket);
    this.ready = this.join();
    this.ready.catch((error: unknown) => {
      if (this.stopping === undefined) this.fail(error);
    });
  }

  /**
   * Binds the ports, opens the data and starts taking part. `ready` tells when clients are served.
   *
   * @throws StartError naming what stands in the way and what to do
   */
  static async start(config: MemberConfig, environment: MemberEnvironment): Promise<Member> {
    const refuse = (socket: Socket): void => void socket.destroy(); // until there is a member behind the port
    const accept: Acceptors = { client: refuse, peer: refuse };
    const peer = await listen(config.listenPeerUrls, (socket) => accept.peer(socket));
    let client: Listener | undefined;
    let replica: Replica | undefined;
    let member: Member | undefined;
    let early: Error | undefined;
    try {
      client = await listen(config.listenClientUrls, (socket) => accept.client(socket));
      replica = await openReplica(config, environment, {
        onFailure: (error) => (member === undefined ? (early ??= error) : member.fail(error)),
        onStatusChange: (status) => environment.onLeaderChange?.(status),
      });
      if (early !== undefined) throw early;
      const engine = createEngine(config, environment, replica);
      member = new Member(config, environment, { client, peer }, replica, engine, accept);
      member.warnAboutOpenPorts();
      return member;
    } catch (error) {
      await Promise.allSettled([peer.close(), client?.close(), replica?.close()]);
      throw error;
    }
  }

  /** Where clients connect, with the real ports. */
  get clientAddresses(): readonly Address[] {
    return this.listeners.client.addresses;
  }

  get id(): bigint {
    return this.replica.id;
  }

  status(): CoreStatus {
    return this.replica.node.status();
  }

  /** Stops in order: no new calls, calls under way end, links, store, log, lock. May be called twice. */
  stop(): Promise<void> {
    this.stopping ??= this.shutDown(stopGraceMs);
    return this.stopping;
  }

  private async join(): Promise<void> {
    const { logger } = this.environment;
    const clientUrls = advertised(this.config.advertiseClientUrls, this.clientAddresses);
    await this.replica.publish({ name: this.config.name, clientUrls });
    if (this.stopping !== undefined) throw new ServerError("server-stopped", "the member was stopped while it joined");
    this.connections.start((socket) => this.engine.serve(socket));
    logger.info("ready to serve client requests", {
      version: serverVersion,
      name: this.config.name,
      memberId: this.replica.id,
      clusterId: this.replica.clusterId,
      clientAddresses: this.clientAddresses.map(formatAddress),
      peerAddresses: this.listeners.peer.addresses.map(formatAddress),
    });
  }

  /** Something that nothing here can repair: the member ends, the others make up for it. */
  private fail(reason: unknown): void {
    this.failure ??= asError(reason);
    if (this.stopping !== undefined) return;
    this.environment.logger.error("the member stops: it can no longer keep its promises", { error: this.failure });
    this.stopping = this.shutDown(0);
  }

  private async shutDown(graceMs: number): Promise<void> {
    const listening = Promise.all([this.listeners.client.close(), this.listeners.peer.close()]);
    this.connections.close();
    // What cannot be closed in order keeps nothing after it open. The failure that came first says most.
    for (const end of [() => this.engine.stop(graceMs), () => this.replica.close(), () => listening])
      await end().catch((error: unknown) => (this.failure ??= asError(error)));
    this.settleStopped(this.failure);
  }

  private warnAboutOpenPorts(): void {
    const open = [...this.listeners.client.addresses, ...this.listeners.peer.addresses].filter(
      (address) => !isLoopback(address),
    );
    if (open.length > 0)
      this.environment.logger.warn("listening without TLS: everybody who reaches these addresses can read and write", {
        addresses: open.map(formatAddress),
      });
  }
}

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));

/** Who takes accepted sockets; set once there is a member. */
interface Acceptors {
  client: (socket: Socket) => void;
  peer: (socket: Socket) => void;
}

/** Advertised URLs with port 0 mean "whatever port was bound". */
const advertised = (urls: readonly MemberUrl[], bound: readonly Address[]): string[] => {
  const first = bound.find((address) => address.kind === "tcp");
  const port = first?.kind === "tcp" ? first.port : 0;
  return urls.map(({ text, address }) =>
    address.kind === "tcp" && address.port === 0 ? text.replace(/:0$/, `:${port}`) : text,
  );
};

const services = [
  KVDefinition,
  WatchDefinition,
  LeaseDefinition,
  ClusterDefinition,
  MaintenanceDefinition,
  AuthDefinition,
  LockDefinition,
  ElectionDefinition,
  HealthDefinition,
];

const createEngine = (config: MemberConfig, environment: MemberEnvironment, replica: Replica): Engine => {
  const { clock, logger } = environment;
  const methods = serviceMethods(config, environment, replica);
  const hasLeader = (): boolean => replica.node.status().leader !== noMember;
  const leaderRequired = new LeaderRequired({ clock, electionMs: config.electionMs, hasLeader });
  return createGrpcJsEngine({
    methods: [...methods.map((method) => leaderRequired.guard(method)), ...unimplementedMethods(services, methods)],
    admit: (call) => admit(call, hasLeader),
    maxRequestBytes: config.maxRequestBytes + messageOverheadBytes,
    onUnexpectedError: (error) => logger.error("a request failed unexpectedly", { error }),
  });
};

const serviceMethods = (config: MemberConfig, { clock, random }: MemberEnvironment, replica: Replica): Method[] => {
  const { node, store, applier, proposals, reads, leases, leader } = replica;
  const headers = new ResponseHeaders(replica.clusterId, replica.id, () => node.status().term);
  return [
    ...kvMethods({ store, proposals, reads, headers, maxTxnOps: config.maxTxnOps }),
    ...watchMethods({
      store,
      headers,
      clock,
      random,
      progressIntervalMs: config.watchProgressMs,
      fragmentBytes: config.maxRequestBytes + messageOverheadBytes,
    }),
    ...leaseMethods({
      store,
      keeper: leases,
      proposals,
      leader,
      headers,
      random,
      minTtlSeconds: minLeaseTtl(config),
    }),
    ...clusterMethods({ applier, reads, headers }),
    ...maintenanceMethods({ node, store, applier, headers }),
    ...healthMethods(),
  ];
};

/** What etcd checks of every call's metadata. */
const admit = (call: Call, hasLeader: () => boolean): void => {
  const version = call.metadata("client-api-version");
  if (version !== undefined && !isUtf8(Buffer.from(version, "latin1")))
    throw new ServerError("invalid-client-version", "client-api-version is not valid UTF-8");
  if (requiresLeader(call) && !hasLeader())
    throw new ServerError("no-leader", "the client asked for a leader to be known");
};

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
import { noMember, type Clock, type CoreStatus, type RaftNode } from "../raft/index.js";
import type { MemberConfig } from "./config.js";
import { ServerError } from "./errors.js";
import { messageOverheadBytes } from "./limits.js";
import { listen, type Listener } from "./listen.js";
import type { Logger } from "./logger.js";
import { openReplica, type Replica } from "./replica.js";
import { ClientConnections } from "./rpc/client-connections.js";
import { createGrpcJsEngine, type Engine } from "./rpc/grpc-js-engine.js";
import { unimplementedMethods, type Call, type Method } from "./rpc/method-table.js";
import { clusterMethods } from "./services/cluster.js";
import { healthMethods } from "./services/health.js";
import { kvMethods } from "./services/kv.js";
import { maintenanceMethods } from "./services/maintenance.js";
import { ResponseHeaders } from "./services/response-header.js";
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
    this.ready.catch(() => undefined); // who waits for it is told; who does not, reads `stopped`
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
    let member: Member | undefined;
    try {
      client = await listen(config.listenClientUrls, (socket) => accept.client(socket));
      const replica = await openReplica(config, environment, {
        onFailure: (error) => void member?.fail(error),
        onStatusChange: (status) => environment.onLeaderChange?.(status),
      });
      const engine = createEngine(config, environment.logger, replica);
      member = new Member(config, environment, { client, peer }, replica, engine, accept);
      member.warnAboutOpenPorts();
      return member;
    } catch (error) {
      await Promise.all([peer.close(), client?.close()]);
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
    this.stopping ??= this.shutDown(stopGraceMs, undefined);
    return this.stopping;
  }

  private async join(): Promise<void> {
    const { logger } = this.environment;
    const clientUrls = advertised(this.config.advertiseClientUrls, this.clientAddresses);
    await this.replica.publish({ name: this.config.name, clientUrls });
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
  private async fail(error: Error): Promise<void> {
    if (this.stopping !== undefined) return;
    this.environment.logger.error("the member stops: it can no longer keep its promises", { error });
    this.stopping = this.shutDown(0, error);
    await this.stopping;
  }

  private async shutDown(graceMs: number, failure: Error | undefined): Promise<void> {
    const listening = Promise.all([this.listeners.client.close(), this.listeners.peer.close()]);
    this.connections.close();
    await this.engine.stop(graceMs);
    try {
      await this.replica.close();
    } catch (error) {
      // The failure that came first says more than what it made impossible.
      failure ??= error instanceof Error ? error : new Error(String(error));
    }
    await listening;
    this.settleStopped(failure);
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

const createEngine = (config: MemberConfig, logger: Logger, replica: Replica): Engine => {
  const methods = serviceMethods(config, replica);
  return createGrpcJsEngine({
    methods: [...methods, ...unimplementedMethods(services, methods)],
    admit: (call) => admit(call, replica.node),
    maxRequestBytes: config.maxRequestBytes + messageOverheadBytes,
    onUnexpectedError: (error) => logger.error("a request failed unexpectedly", { error }),
  });
};

const serviceMethods = (config: MemberConfig, replica: Replica): Method[] => {
  const { node, store, applier, proposals, reads } = replica;
  const headers = new ResponseHeaders(replica.clusterId, replica.id, () => node.status().term);
  return [
    ...kvMethods({ store, proposals, reads, headers, maxTxnOps: config.maxTxnOps }),
    ...clusterMethods({ applier, reads, headers }),
    ...maintenanceMethods({ node, store, applier, headers }),
    ...healthMethods(),
  ];
};

/** What etcd checks of every call's metadata. */
const admit = (call: Call, node: RaftNode): void => {
  const version = call.metadata("client-api-version");
  if (version !== undefined && !isUtf8(Buffer.from(version, "latin1")))
    throw new ServerError("invalid-client-version", "client-api-version is not valid UTF-8");
  if (call.metadata("hasleader") === "true" && node.status().leader === noMember)
    throw new ServerError("no-leader", "the client asked for a leader to be known");
};

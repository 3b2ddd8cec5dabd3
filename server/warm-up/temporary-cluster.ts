import type { Socket } from "node:net";
import type { Clock } from "../../platform/index.js";
import { formatAddress, type Logger, parseMemberUrl } from "../base/index.js";
import { configFromFlags, defaultFlags, type MemberConfig } from "../config/index.js";
import {
  createServing,
  type MemberEnvironment,
  openReplica,
  ProcessParts,
  type Replica,
  type ReplicaListener,
  type Serving,
  storageOf,
} from "../member/index.js";
import { ClientConnections, listen, type Listener, loadEngine } from "../net/index.js";
import { ConnectionSlots } from "../resources/index.js";
import { withDeadline } from "./deadline.js";
import { anyLoopbackPort, connectSocketPair } from "./socket-pair.js";

/** The number of members: a leader and a follower. */
export const memberCount = 2;

const electionMs = 200;
const heartbeatMs = 50;
/** The longest time until the cluster has a leader and all members have published their names, in milliseconds. */
const maxStartMs = 5_000;
/** The most connections of a member, including those of other programs that connect to its port while it is open. */
const maxConnections = 16;

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  fatal: () => undefined,
};

/** A port on which a member waits for the connection of the other one; closed when both are connected. */
interface PeerPort {
  readonly parts: ProcessParts;
  readonly listener: Listener;
  readonly url: string;
}

/** A member that has started. */
interface StartedMember {
  readonly replica: Replica;
  readonly serving: Serving;
  readonly connections: ClientConnections;
}

/**
 * A cluster within this process and in memory, built from the same components as a real member. Its ports are loopback ports, which
 * close once its members are connected; a member of another cluster is refused because its cluster id differs.
 */
export class TemporaryCluster {
  private readonly members: (StartedMember | undefined)[] = [];

  private constructor(private readonly clock: Clock) {}

  /** Starts the members; resolves once one of them leads. @throws Error if none leads in time, or if ports cannot be opened */
  static async start(config: MemberConfig, { clock, random }: MemberEnvironment): Promise<TemporaryCluster> {
    const cluster = new TemporaryCluster(clock);
    const ports: PeerPort[] = [];
    try {
      for (let n = 0; n < memberCount; n++) ports.push(await openPeerPort());
      await cluster.open(ports, config, { clock, random, logger: silent });
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    } finally {
      for (const { listener } of ports) void listener.close();
    }
  }

  /** Connects to a member as a client does. */
  async connect(member: number): Promise<Socket> {
    const { client, server } = await connectSocketPair(this.clock);
    this.members[member]?.connections.accept(server);
    return client;
  }

  /** Closes the members with their connections. */
  async close(): Promise<void> {
    await Promise.all(
      this.members.map(async (member) => {
        member?.connections.close();
        await member?.serving.engine.stop(0);
        member?.serving.http.stop();
        await member?.replica.close();
      }),
    );
  }

  private async open(ports: readonly PeerPort[], config: MemberConfig, environment: MemberEnvironment): Promise<void> {
    const createEngine = await loadEngine(config.clients.rpcEngine);
    const token = String(environment.random());
    const urls = ports.map(({ url }) => url);
    const configs = urls.map((_, n) => configOf(config, n, urls, token));
    const opened = await Promise.allSettled(
      configs.map(async (own, n) => {
        const replica = await openReplica(ports[n]?.parts ?? createParts(), own, environment, new EventIgnorer());
        const serving = createServing(own, environment, replica, createEngine);
        this.members[n] = { replica, serving, connections: createClientConnections(serving) };
      }),
    );
    for (const each of opened) if (each.status === "rejected") throw each.reason;
    const published = this.members.map(async (member, n) =>
      member?.replica.publish({ name: nameOf(n), clientUrls: [] }),
    );
    await withDeadline(this.clock, maxStartMs, Promise.all(published));
  }
}

/** Ignores failures: the requests of a failed member get no answer, and that ends the warm-up. */
class EventIgnorer implements ReplicaListener {
  onFailure(): void {
    return;
  }

  onStatusChange(): void {
    return;
  }
}

const createParts = (): ProcessParts => new ProcessParts(maxConnections, storageOf("memory"));

const openPeerPort = async (): Promise<PeerPort> => {
  const parts = createParts();
  const listener = await listen(
    [anyLoopbackPort],
    (socket) => parts.accept(socket),
    () => undefined,
  );
  const [address] = listener.addresses;
  return { parts, listener, url: `http://${address === undefined ? "" : formatAddress(address)}` };
};

const createClientConnections = ({ engine, http }: Serving): ClientConnections => {
  const connections = new ClientConnections(new ConnectionSlots(() => maxConnections));
  connections.start({ http2: engine, http1: http });
  return connections;
};

const nameOf = (n: number): string => `warm-up-${n}`;

/** Returns the settings of the real member, except for data, ports, users and cluster. */
const configOf = (config: MemberConfig, n: number, urls: readonly string[], token: string): MemberConfig => {
  const { security } = configFromFlags(defaultFlags);
  const own = [parseMemberUrl(urls[n] ?? "")];
  return {
    member: { ...config.member, name: nameOf(n), dataDir: `/${nameOf(n)}`, storage: "memory" },
    urls: { listenClient: [], advertiseClient: [], listenPeer: own, advertisePeer: own, listenMetrics: [] },
    initialCluster: {
      members: urls.map((url, other) => ({ name: nameOf(other), peerUrls: [url] })),
      isGiven: true,
      discovery: undefined,
      state: "new",
      token,
    },
    raft: { ...config.raft, heartbeatMs, electionMs },
    store: { ...config.store, autoCompaction: undefined },
    clients: { ...config.clients, hosts: ["*"] },
    security,
    monitoring: { ...config.monitoring, auditLog: undefined },
  };
};

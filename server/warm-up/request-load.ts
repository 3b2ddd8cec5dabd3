import type { MemberConfig } from "../config/index.js";
import type { MemberEnvironment } from "../member/index.js";
import { GrpcClient } from "./grpc-client.js";
import { HttpClient } from "./http-client.js";
import { type CallKind, Calls, gatewayPut, grantCall, scrape, watcherMessage, watchPath } from "./requests.js";
import { memberCount, TemporaryCluster } from "./temporary-cluster.js";
import type { Workload } from "./warm-up.js";

/** Calls of one kind: how many in all, and how many each client has under way at a time, at most. */
interface CallShare {
  readonly kind: CallKind;
  readonly count: number;
  readonly atOnce: number;
}

/** The calls, found by experiment: fewer leave functions uncompiled, more change little (docs/decisions/0002-warm-up.md). */
const calls: readonly CallShare[] = [
  { kind: "put", count: 1200, atOnce: 16 },
  { kind: "get", count: 600, atOnce: 16 },
  { kind: "serializableGet", count: 240, atOnce: 16 },
  { kind: "range", count: 120, atOnce: 2 },
  { kind: "txn", count: 480, atOnce: 8 },
  { kind: "keepAlive", count: 300, atOnce: 8 },
  { kind: "watchedPut", count: 120, atOnce: 1 },
];
const gatewayPuts = 96;
const scrapes = 8;

/** The kinds take turns, so that code that they share is compiled for all of them. */
const rounds = 8;
const clientsOfMember = 2;
const watchersOfClient = 5;

/** Carries out requests of each hot kind on a temporary cluster. */
export class RequestLoad implements Workload {
  private readonly steps = this.allSteps();

  private clients: readonly GrpcClient[] = [];

  private constructor(
    private readonly cluster: TemporaryCluster,
    private readonly http: HttpClient,
    private readonly hasGateway: boolean,
  ) {}

  /** Starts the cluster and connects to its members. */
  static async open(config: MemberConfig, environment: MemberEnvironment): Promise<RequestLoad> {
    const cluster = await TemporaryCluster.start(config, environment);
    try {
      const load = new RequestLoad(cluster, new HttpClient(await cluster.connect(0)), config.gateway);
      await load.reconnect();
      await load.clients[0]?.call([grantCall()]);
      return load;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  async step(): Promise<boolean> {
    const next = this.steps.next();
    if (next.done === true) return false;
    await next.value();
    return true;
  }

  async close(): Promise<void> {
    this.disconnect();
    this.http.close();
    await this.cluster.close();
  }

  /** Connects anew, as a connection's first requests take other ways than its later ones. */
  private async reconnect(): Promise<void> {
    this.disconnect();
    const clients: GrpcClient[] = [];
    this.clients = clients;
    for (let n = 0; n < memberCount * clientsOfMember; n++) {
      const client = new GrpcClient(await this.cluster.connect(n % memberCount));
      clients.push(client);
      client.openStream(watchPath, Array.from({ length: watchersOfClient }, watcherMessage));
    }
  }

  private disconnect(): void {
    for (const client of this.clients) client.close();
  }

  /** Returns the slices in turn. Those of the first rounds are smaller, as all of their code is slow. */
  private *allSteps(): Generator<() => Promise<unknown>, void> {
    const shares = calls.map((share) => ({ ...share, calls: new Calls(share.kind) }));
    for (let round = 1; round <= rounds; round++) {
      const atOnce = Math.ceil(round ** 2 / 4);
      if (round > 1) yield () => this.reconnect();
      for (const share of shares)
        while (share.calls.count < (share.count / rounds) * round)
          yield () => this.call(share.calls, Math.min(share.atOnce, atOnce));
      for (let n = 0; n < gatewayPuts / rounds && this.hasGateway; n++) yield () => this.http.ask(gatewayPut());
      for (let n = 0; n < scrapes / rounds; n++) yield () => this.http.ask(scrape());
    }
  }

  /** Has all clients make calls at the same time. */
  private async call(kind: Calls, atOnce: number): Promise<void> {
    await Promise.all(this.clients.map((client) => client.call(Array.from({ length: atOnce }, () => kind.next()))));
  }
}

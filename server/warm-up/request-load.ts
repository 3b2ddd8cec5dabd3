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
  { kind: "put", count: 800, atOnce: 6 },
  { kind: "get", count: 400, atOnce: 8 },
  { kind: "serializableGet", count: 160, atOnce: 8 },
  { kind: "range", count: 80, atOnce: 2 },
  { kind: "txn", count: 320, atOnce: 4 },
  { kind: "keepAlive", count: 200, atOnce: 4 },
  { kind: "watchedPut", count: 80, atOnce: 1 },
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

  private constructor(
    private readonly cluster: TemporaryCluster,
    private readonly clients: readonly GrpcClient[],
    private readonly http: HttpClient,
    private readonly hasGateway: boolean,
  ) {}

  /** Starts the cluster and connects to its members. */
  static async open(config: MemberConfig, environment: MemberEnvironment): Promise<RequestLoad> {
    const cluster = await TemporaryCluster.start(config, environment);
    try {
      const clients: GrpcClient[] = [];
      for (let n = 0; n < memberCount * clientsOfMember; n++)
        clients.push(new GrpcClient(await cluster.connect(n % memberCount)));
      const http = new HttpClient(await cluster.connect(0));
      for (const client of clients)
        client.openStream(watchPath, Array.from({ length: watchersOfClient }, watcherMessage));
      await clients[0]?.call([grantCall()]);
      return new RequestLoad(cluster, clients, http, config.gateway);
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
    for (const client of this.clients) client.close();
    this.http.close();
    await this.cluster.close();
  }

  /** Returns the slices in turn. Those of the first rounds are smaller, as all of their code is slow. */
  private *allSteps(): Generator<() => Promise<unknown>, void> {
    const shares = calls.map((share) => ({ ...share, calls: new Calls(share.kind) }));
    for (let round = 1; round <= rounds; round++) {
      for (const share of shares)
        while (share.calls.count < (share.count / rounds) * round)
          yield () => this.call(share.calls, Math.min(share.atOnce, round));
      for (let n = 0; n < gatewayPuts / rounds && this.hasGateway; n++) yield () => this.http.ask(gatewayPut());
      for (let n = 0; n < scrapes / rounds; n++) yield () => this.http.ask(scrape());
    }
  }

  /** Has all clients make calls at the same time. */
  private async call(kind: Calls, atOnce: number): Promise<void> {
    await Promise.all(this.clients.map((client) => client.call(Array.from({ length: atOnce }, () => kind.next()))));
  }
}

import type { MemberConfig } from "../config/index.js";
import type { MemberEnvironment } from "../member/index.js";
import { GrpcClient } from "./grpc-client.js";
import { HttpClient } from "./http-client.js";
import {
  type CallKind,
  Calls,
  createGatewayPut,
  createGrantCall,
  createScrape,
  createWatchMessage,
  watchPath,
} from "./requests.js";
import { memberCount, TemporaryCluster } from "./temporary-cluster.js";
import type { Workload } from "./warm-up.js";

/** The calls of one kind: the number of all, and the most that one client has in flight. */
interface CallShare {
  readonly kind: CallKind;
  readonly count: number;
  readonly inFlight: number;
}

/** The calls. The numbers come from measurements: with fewer, functions stay uncompiled; more change little (docs/decisions/0002-warm-up.md). */
const calls: readonly CallShare[] = [
  { kind: "put", count: 1200, inFlight: 16 },
  { kind: "get", count: 600, inFlight: 16 },
  { kind: "serializableGet", count: 240, inFlight: 16 },
  { kind: "range", count: 120, inFlight: 2 },
  { kind: "txn", count: 480, inFlight: 8 },
  { kind: "keepAlive", count: 300, inFlight: 8 },
  { kind: "watchedPut", count: 120, inFlight: 1 },
];
const gatewayPuts = 96;
const scrapes = 8;

/** The kinds of calls alternate in so many rounds, so that V8 optimizes the code that they share for all of them. */
const rounds = 8;
const clientsOfMember = 2;
const watchersOfClient = 5;

/** Sends the most frequent kinds of requests to a temporary cluster. */
export class RequestLoad implements Workload {
  private readonly slices = this.generateSlices();

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
      const load = new RequestLoad(cluster, new HttpClient(await cluster.connect(0)), config.clients.gateway);
      await load.reconnect();
      await load.clients[0]?.call([createGrantCall()]);
      return load;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  async runSlice(): Promise<boolean> {
    const next = this.slices.next();
    if (next.done === true) return false;
    await next.value();
    return true;
  }

  async close(): Promise<void> {
    this.disconnect();
    this.http.close();
    await this.cluster.close();
  }

  /** Opens new connections in place of the old ones, because the first requests of a connection run other code than later ones. */
  private async reconnect(): Promise<void> {
    this.disconnect();
    const clients: GrpcClient[] = [];
    this.clients = clients;
    for (let n = 0; n < memberCount * clientsOfMember; n++) {
      const client = new GrpcClient(await this.cluster.connect(n % memberCount));
      clients.push(client);
      client.openStream(watchPath, Array.from({ length: watchersOfClient }, createWatchMessage));
    }
  }

  private disconnect(): void {
    for (const client of this.clients) client.close();
  }

  /** Generates the slices in order. The first rounds have smaller slices, because their code is not compiled yet and runs slowly. */
  private *generateSlices(): Generator<() => Promise<unknown>, void> {
    const shares = calls.map((share) => ({ ...share, calls: new Calls(share.kind) }));
    for (let round = 1; round <= rounds; round++) {
      const maxInFlight = Math.ceil(round ** 2 / 4);
      if (round > 1) yield () => this.reconnect();
      for (const share of shares)
        while (share.calls.count < (share.count / rounds) * round)
          yield () => this.call(share.calls, Math.min(share.inFlight, maxInFlight));
      for (let n = 0; n < gatewayPuts / rounds && this.hasGateway; n++) yield () => this.http.ask(createGatewayPut());
      for (let n = 0; n < scrapes / rounds; n++) yield () => this.http.ask(createScrape());
    }
  }

  /** Sends `count` calls from each client at the same time. */
  private async call(calls: Calls, count: number): Promise<void> {
    await Promise.all(this.clients.map((client) => client.call(Array.from({ length: count }, () => calls.next()))));
  }
}

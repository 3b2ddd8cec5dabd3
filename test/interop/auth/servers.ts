// The two servers to compare: etcd 3.7, and minietcd. AGAINST=etcd-3.7 compares etcd with itself, which shows the answers of etcd that
// depend on chance.
import { type EtcdCluster, type EtcdMember, type ServerKind, startEtcdClusters } from "../../support/etcd-process.js";
import { type Call, Caller, type Outcome } from "./calls.js";
import { GatewayCaller } from "./gateway-caller.js";

/** A value of each server. */
export type Both<T> = readonly [etcd: T, ours: T];

export const callBoth = <T, Result>(
  pair: Both<T>,
  run: (each: T, position: 0 | 1) => Promise<Result>,
): Promise<Both<Result>> => Promise.all([run(pair[0], 0), run(pair[1], 1)]);

const against = process.env["AGAINST"] === "etcd-3.7" ? "etcd-3.7" : "minietcd";

/** Time is not compared: passwords have the cheapest hash, and nothing is synced. */
const fast = ["--bcrypt-cost=4", "--unsafe-no-fsync"];

/** One member of each server, with a connection to each. `await using` ends them. */
export class Servers implements AsyncDisposable {
  private constructor(
    private readonly clusters: Both<EtcdCluster>,
    readonly callers: Both<Caller>,
    readonly gateways: Both<GatewayCaller>,
  ) {}

  static async start(...flags: readonly string[]): Promise<Servers> {
    const kinds: Both<ServerKind> = ["etcd-3.7", against];
    const options = kinds.map((kind) => ({ kind, flags: [...fast, ...flags] }));
    const clusters = (await startEtcdClusters(options)) as unknown as Both<EtcdCluster>;
    const [etcd, ours] = clusters.map((cluster) => cluster.member(0).endpoint) as unknown as Both<string>;
    return new Servers(
      clusters,
      [new Caller(etcd), new Caller(ours)],
      [new GatewayCaller(etcd), new GatewayCaller(ours)],
    );
  }

  get members(): Both<EtcdMember> {
    return [this.clusters[0].member(0), this.clusters[1].member(0)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const caller of [...this.callers, ...this.gateways]) caller.close();
    await callBoth(this.clusters, (cluster) => cluster[Symbol.asyncDispose]());
  }
}

/**
 * Makes calls that must succeed, one after the other.
 * | @throws Error if one fails
 */
export async function succeed(caller: Caller, calls: readonly Call[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const call of calls) {
    const outcome = await caller.call(call);
    if (outcome.code !== 0) throw new Error(`${call.method} failed: ${outcome.code} ${outcome.details}`);
    outcomes.push(outcome);
  }
  return outcomes;
}

// Pairs of servers, side by side: a sequence mostly waits for one of them, and meanwhile others are played.
import assert from "node:assert/strict";
import fc from "fast-check";
import { type EtcdCluster, startEtcdCluster } from "../../support/etcd-process.js";
import { Pair } from "./pair.js";
import { Channel } from "./requests.js";

export interface Plays<T> {
  readonly arbitrary: fc.Arbitrary<T>;
  /** Plays one value. @throws Error that tells all that was said, if something differs in a way that is not known */
  readonly play: (pair: Pair, value: T) => Promise<void>;
  readonly seed: number;
  /** Values on all lanes together. */
  readonly numRuns: number;
}

/** Some pairs of etcd and minietcd. `await using` ends their processes. */
export class Lanes implements AsyncDisposable {
  private constructor(
    readonly pairs: readonly Pair[],
    private readonly clusters: readonly EtcdCluster[],
    private readonly channels: readonly Channel[],
  ) {}

  /** @param flags of all servers */
  static async start(count: number, flags: readonly string[]): Promise<Lanes> {
    const kinds = Array.from({ length: count }, () => ["etcd-3.7", "minietcd"] as const).flat();
    const all = ["--unsafe-no-fsync", ...flags];
    const clusters = await Promise.all(kinds.map((kind) => startEtcdCluster({ kind, flags: all })));
    const channels = clusters.map((cluster) => new Channel(cluster.member(0).endpoint));
    const pairs = Array.from({ length: count }, (_, n) => new Pair(channels[2 * n]!, channels[2 * n + 1]!));
    return new Lanes(pairs, clusters, channels);
  }

  get first(): Pair {
    return this.pairs[0]!;
  }

  /** Plays generated values on all pairs; each has a seed of its own. A failure is made shorter before it is told. */
  async check<T>({ arbitrary, play, seed, numRuns }: Plays<T>): Promise<void> {
    const lanes = this.pairs.length;
    const checkOne = async (pair: Pair, lane: number): Promise<void> => {
      const property = fc.asyncProperty(arbitrary, (value) => play(pair, value));
      const options = { seed: seed * lanes + lane, numRuns: Math.ceil(numRuns / lanes), unbiased: true };
      const result = await fc.check(property, options);
      if (!result.failed) return;
      const { errorInstance: error, numShrinks } = result;
      const reason = error instanceof Error ? error.message : String(error);
      assert.fail(`Sequence ${result.numRuns} of lane ${lane}, made ${numShrinks} times shorter:\n${reason}`);
    };
    await Promise.all(this.pairs.map(checkOne));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const channel of this.channels) channel.close();
    await Promise.all(this.clusters.map((cluster) => cluster[Symbol.asyncDispose]()));
  }
}

// Pairs of servers that are used concurrently, because a sequence mostly waits for its server.
import assert from "node:assert/strict";
import fc from "fast-check";
import { type EtcdCluster, startEtcdClusters } from "../../support/etcd-process.js";
import { Pair } from "./pair.js";
import { Channel } from "./requests.js";

export interface Plays<T> {
  readonly arbitrary: fc.Arbitrary<T>;
  /**
   * Plays one value.
   * @throws Error with all exchanges, if an answer differs in an unknown way
   */
  readonly play: (pair: Pair, value: T) => Promise<void>;
  readonly seed: number;
  /** Number of values on all lanes together. */
  readonly numRuns: number;
}

/** Pairs of etcd and minietcd. `await using` ends their processes. */
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
    const clusters = await startEtcdClusters(kinds.map((kind) => ({ kind, flags: all })));
    const channels = clusters.map((cluster) => new Channel(cluster.member(0).endpoint));
    const pairs = Array.from({ length: count }, (_, n) => new Pair(channels[2 * n]!, channels[2 * n + 1]!));
    return new Lanes(pairs, clusters, channels);
  }

  get first(): Pair {
    return this.pairs[0]!;
  }

  /** Plays generated values on all pairs, with a seed for each. A failure is shrunk before it is reported. */
  async check<T>({ arbitrary, play, seed, numRuns }: Plays<T>): Promise<void> {
    const lanes = this.pairs.length;
    let failed = false;
    const checkOne = async (pair: Pair, lane: number): Promise<void> => {
      const servers = this.clusters.slice(2 * lane, 2 * lane + 2);
      let ownFailed = false;
      const property = fc.asyncProperty(arbitrary, async (value) => {
        if (failed && !ownFailed) return; // another lane has the failure
        try {
          await withServers(servers, () => play(pair, value));
        } catch (error) {
          failed = ownFailed = true;
          throw error;
        }
      });
      const options = { seed: seed * lanes + lane, numRuns: Math.ceil(numRuns / lanes), unbiased: true };
      const result = await fc.check(property, options);
      if (!result.failed) return;
      const { errorInstance: error, numShrinks } = result;
      const reason = error instanceof Error ? error.message : String(error);
      assert.fail(`Sequence ${result.numRuns} of lane ${lane}, made ${numShrinks} times shorter:\n${reason}`);
    };
    const ends = await Promise.allSettled(this.pairs.map(checkOne));
    const end = ends.find(({ status }) => status === "rejected");
    if (end?.status === "rejected") throw end.reason;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const channel of this.channels) channel.close();
    await Promise.all(this.clusters.map((cluster) => cluster[Symbol.asyncDispose]()));
  }
}

/**
 * Restarts servers that end while a shorter sequence is tried.
 * @throws Error that includes their logs
 */
async function withServers(clusters: readonly EtcdCluster[], play: () => Promise<void>): Promise<void> {
  try {
    await play();
  } catch (error) {
    const ended = await Promise.all(clusters.map(startAgain));
    const logs = ended.filter((log) => log !== undefined);
    if (logs.length === 0 || !(error instanceof Error)) throw error;
    throw new Error([error.message, ...logs].join("\n"), { cause: error });
  }
}

/**
 * Starts a server that has ended.
 * @returns the end of its log; undefined: it had not ended
 */
async function startAgain(cluster: EtcdCluster): Promise<string | undefined> {
  const member = cluster.member(0);
  try {
    await member.whenReady();
    return undefined;
  } catch (error) {
    if (member.isRunning) throw error;
    member.launch();
    await member.whenReady();
    return `${cluster.kind} has ended: ${(error as Error).message}`;
  }
}

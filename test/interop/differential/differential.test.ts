// Compares minietcd's answers with etcd's: every field, every error's code and text.
//
// SEED=… plays other sequences, RUNS=… another number of them. What fails with some SEED and RUNS fails again with the same.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { type EtcdCluster, startEtcdCluster } from "../../support/etcd-process.js";
import { expectedOutcomes, outcomes } from "./coverage.js";
import { limits } from "./limits.js";
import { type Exchange, Pair } from "./pair.js";
import { Channel, type Request } from "./requests.js";
import type { Late } from "./revisions.js";
import { firstOfAll, sequence } from "./sequences.js";
import { showAnswer, showRequest } from "./show.js";

const seed = Number(process.env["SEED"] ?? 1);
const numRuns = Number(process.env["RUNS"] ?? 1_000);

/** Fewer sequences need not bring about all that is expected. */
const runsThatCover = 1_000;

let clusters: EtcdCluster[] = [];
let channels: Channel[] = [];
let pair: Pair;
const seen = new Map<string, number>();

before(async () => {
  const flags = [`--max-txn-ops=${limits.maxTxnOps}`, `--max-request-bytes=${limits.maxRequestBytes}`];
  clusters = await Promise.all((["etcd", "minietcd"] as const).map((kind) => startEtcdCluster({ kind, flags })));
  channels = clusters.map((cluster) => new Channel(cluster.member(0).endpoint));
  pair = new Pair(channels[0]!, channels[1]!);
});

after(async () => {
  for (const channel of channels) channel.close();
  await Promise.all(clusters.map((cluster) => cluster[Symbol.asyncDispose]()));
});

function note({ request, etcd, difference }: Exchange): void {
  const known = typeof difference === "string" ? [] : [`masked: ${difference.name}`];
  for (const outcome of [...outcomes(request, etcd), ...known]) seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
}

function show({ request, etcd, ours, difference }: Exchange): string {
  if (difference === "none") return `${showRequest(request)}\n  both: ${showAnswer(etcd)}`;
  return `${showRequest(request)}\n  etcd: ${showAnswer(etcd)}\n  ours: ${showAnswer(ours)}`;
}

const missing = () => expectedOutcomes.filter((outcome) => !seen.has(outcome));

/** @throws Error that tells all that was said, if the answers to one of them differ in a way that is not known */
async function play(steps: readonly Late<Request>[]): Promise<void> {
  const { now } = pair.at;
  const said: Exchange[] = [];
  for (const step of steps) {
    const exchange = await pair.ask(step(pair.at));
    said.push(exchange);
    if (exchange.difference === "unknown")
      throw new Error([`both empty at revision ${now}`, ...said.map(show)].join("\n"));
    note(exchange);
  }
}

test("a store that was never compacted", () => play(firstOfAll));

test(`generated sequences, SEED=${seed} RUNS=${numRuns}`, async () => {
  const property = fc.asyncProperty(sequence, async (steps) => {
    await pair.startAfresh();
    await play(steps);
  });
  const result = await fc.check(property, { seed, numRuns, unbiased: true });
  if (result.failed) {
    const reason = result.errorInstance instanceof Error ? result.errorInstance.message : String(result.errorInstance);
    assert.fail(`Sequence ${result.numRuns} of SEED=${seed}, made ${result.numShrinks} times shorter:\n${reason}`);
  }
  if (numRuns >= runsThatCover) assert.deepEqual(missing(), [], "not brought about");
});

// Leases and watches: what etcd answers and tells its watchers, minietcd does.
//
// SEED=… plays other sequences, RUNS=… another number of them. What fails with some SEED and RUNS fails again with the same.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { type EtcdCluster, startEtcdCluster } from "../../support/etcd-process.js";
import { directed } from "./directed.js";
import { expectedLeaseOutcomes } from "./lease-coverage.js";
import { fragments } from "./fragments.js";
import { limits } from "./limits.js";
import { type LiveStep, liveSequence, perform } from "./live-sequences.js";
import { watchMasks } from "./masks.js";
import { Pair } from "./pair.js";
import { Channel } from "./requests.js";
import { expectedWatchOutcomes } from "./watchers.js";
import { type Finding, Watching } from "./watching.js";

const seed = Number(process.env["SEED"] ?? 1);
const numRuns = Number(process.env["RUNS"] ?? 300);

/** Side by side, each on servers of its own: most of the time etcd lets its watchers wait. */
const lanes = 3;
const clusters: EtcdCluster[] = [];
const channels: Channel[] = [];
let pairs: Pair[] = [];
const seen = new Map<string, number>();

async function startPair(): Promise<Pair> {
  const flags = [`--max-request-bytes=${limits.maxRequestBytes}`];
  const started = await Promise.all((["etcd", "minietcd"] as const).map((kind) => startEtcdCluster({ kind, flags })));
  const [etcd, ours] = started.map((cluster) => new Channel(cluster.member(0).endpoint)) as [Channel, Channel];
  clusters.push(...started);
  channels.push(etcd, ours);
  return new Pair(etcd, ours);
}

before(async () => {
  pairs = await Promise.all(Array.from({ length: lanes }, startPair));
});

after(async () => {
  for (const channel of channels) channel.close();
  await Promise.all(clusters.map((cluster) => cluster[Symbol.asyncDispose]()));
});

function note({ outcomes, difference }: Finding): void {
  const known = typeof difference === "string" ? [] : [`masked: ${difference.name}`];
  for (const outcome of [...outcomes, ...known]) seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
}

/** @throws Error that tells all that was said, if something differs in a way that is not known */
async function play(pair: Pair, steps: readonly LiveStep[]): Promise<void> {
  await pair.startAfresh();
  const { now } = pair.at;
  const watching = new Watching(pair);
  const check = () => {
    if (watching.findings.some(({ difference }) => difference === "unknown"))
      throw new Error([`both empty at revision ${now}`, ...watching.findings.map(({ show }) => show())].join("\n"));
  };
  try {
    for (const step of steps) {
      await perform(step, watching, () => pair.at);
      check();
    }
    await watching.settle();
    check();
  } finally {
    watching.closeAll();
  }
  watching.findings.forEach(note);
}

const masked = [...watchMasks.replies, ...watchMasks.told].map(({ name }) => `masked: ${name}`);
const expected = [...expectedLeaseOutcomes, ...expectedWatchOutcomes, ...masked];
const missing = () => expected.filter((outcome) => !seen.has(outcome));

test("a response in fragments", async () => {
  await play(pairs[0]!, fragments);
  assert(seen.has("told, live: in fragments"));
});

test("the directed steps bring about every expected outcome", async () => {
  for (const steps of directed) await play(pairs[0]!, steps);
  const notBroughtAbout = missing();
  seen.clear(); // from here on it is chance
  assert.deepEqual(notBroughtAbout, []);
});

async function check(pair: Pair, lane: number): Promise<void> {
  const property = fc.asyncProperty(liveSequence, (steps) => play(pair, steps));
  const options = { seed: seed * lanes + lane, numRuns: Math.ceil(numRuns / lanes), unbiased: true };
  const result = await fc.check(property, options);
  if (!result.failed) return;
  const reason = result.errorInstance instanceof Error ? result.errorInstance.message : String(result.errorInstance);
  assert.fail(`Sequence ${result.numRuns} of lane ${lane}, made ${result.numShrinks} times shorter:\n${reason}`);
}

test(`generated sequences, SEED=${seed} RUNS=${numRuns}`, async (t) => {
  await Promise.all(pairs.map(check));
  t.diagnostic(`not brought about by chance: ${missing().join(", ") || "nothing"}`);
});

// Leases and watches: minietcd's answers and events are those of etcd 3.7.
// SEED=… plays other sequences, RUNS=… another number of them. A failure is repeated with the same SEED and RUNS.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { directed } from "./directed.js";
import { expectedLeaseOutcomes } from "./lease-coverage.js";
import { fragments } from "./fragments.js";
import { Lanes } from "./lanes.js";
import { limits } from "./limits.js";
import { type LiveStep, liveSequence, perform } from "./live-sequences.js";
import { watchMasks } from "./masks.js";
import type { Pair } from "./pair.js";
import { expectedWatchOutcomes } from "./watchers.js";
import { type Finding, Watching } from "./watching.js";

const seed = Number(process.env["SEED"] ?? 1);
const numRuns = Number(process.env["RUNS"] ?? 500);

let lanes: Lanes;
const seen = new Map<string, number>();

before(async () => {
  lanes = await Lanes.start(3, [`--max-request-bytes=${limits.maxRequestBytes}`]);
});

after(() => lanes[Symbol.asyncDispose]());

function note({ outcomes, difference }: Finding): void {
  const known = typeof difference === "string" ? [] : [`masked: ${difference.name}`];
  for (const outcome of [...outcomes, ...known]) seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
}

/**
 * Plays a sequence on both servers.
 * @throws Error with all exchanges, if an answer differs in an unknown way
 */
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

const masked = [...watchMasks.replies, ...watchMasks.received].map(({ name }) => `masked: ${name}`);
const expected = [...expectedLeaseOutcomes, ...expectedWatchOutcomes, ...masked];
const missingOutcomes = () => expected.filter((outcome) => !seen.has(outcome));

test("a response in fragments is the same on etcd and on minietcd", async () => {
  await play(lanes.first, fragments);
  assert(seen.has("received, live: in fragments"));
});

test("the directed steps bring about every expected outcome", async () => {
  for (const steps of directed) await play(lanes.first, steps);
  const notBroughtAbout = missingOutcomes();
  seen.clear(); // the sequences from here on are random
  assert.deepEqual(notBroughtAbout, []);
});

test(`generated sequences have the same outcomes on etcd and on minietcd, SEED=${seed} RUNS=${numRuns}`, async (t) => {
  await lanes.check({ arbitrary: liveSequence, play, seed, numRuns });
  t.diagnostic(`not brought about by chance: ${missingOutcomes().join(", ") || "nothing"}`);
});

// Whole clusters of real members on simulated machines, one from each of 40 seeds (SEEDS=n: of n): first with faults, and with every
// answer checked; then without faults, when they must make progress. `SEED=n npm run sim` replays one, and prints its events.
import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import test from "node:test";
import { faultKinds } from "./whole/plan.js";
import { median, describeFailure, describeSummary, type Report } from "./whole/report.js";
import { runSeeds } from "./whole/run-seeds.js";

const wanted = process.env["SEED"];
const count = Number(process.env["SEEDS"] ?? 40);
const seeds = wanted === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(wanted)];
const wish = { lines: 60, details: false, stopAtFirst: false, jobs: availableParallelism() };

const settle = new Map<number, (report: Report) => void>();
const reports = new Map(
  seeds.map((seed) => [seed, new Promise<Report>((resolve) => settle.set(seed, resolve))] as const),
);
const all = runSeeds(seeds, { ...wish, onReport: (report) => settle.get(report.seed)?.(report) });

for (const seed of seeds)
  test(`whole cluster SEED=${seed}`, async () => {
    const report = await Promise.race([reports.get(seed), all.then(() => reports.get(seed))]);
    assert.ok(report !== undefined);
    if (report.failure !== undefined) assert.fail(describeFailure(report));
  });

test("a connected majority accepts writes within two election timeouts after the last fault, in the median", async (t) => {
  const recoveries = (await all).map(({ recovery }) => recovery);
  assert.ok(median(recoveries) < 2, `median ${median(recoveries)}`);
  t.diagnostic(describeSummary(await all));
});

test("a seed gives the same history in every process", async () => {
  const chosen = seeds.slice(0, 4);
  const digests = async (): Promise<string[]> => {
    const run = await runSeeds(chosen, { ...wish, onReport: () => undefined });
    return run.map(({ digest }) => digest);
  };
  const first = (await all).filter(({ seed }) => chosen.includes(seed)).map(({ digest }) => digest);
  assert.deepEqual(await digests(), first);
});

if (seeds.length >= 200)
  test("all seeds together cover every fault and every client action", async () => {
    const run = await all;
    for (const kind of faultKinds)
      assert.ok(
        run.some(({ faults }) => (faults[kind] ?? 0) > 0),
        `no seed has ${kind}`,
      );
    for (const name of Object.keys(run[0]?.counts ?? {}) as (keyof Report["counts"])[])
      assert.ok(
        run.some(({ counts }) => counts[name] > 0),
        `no seed has ${name}`,
      );
  });

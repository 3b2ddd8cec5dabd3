// `npm run sim -- --seeds 1000`, `SEED=7 npm run sim`: whole clusters in virtual time, each determined by its seed.

import { availableParallelism } from "node:os";
import { InvalidArgumentError, program } from "commander";
import { describeFailure, describeSummary, type Report } from "./whole/report.js";
import { runSeed, runSeeds } from "./whole/run-seeds.js";
import { shrink } from "./whole/shrink.js";

interface Options {
  readonly seeds: number;
  readonly from: number;
  readonly jobs: number;
  readonly stopAtFirst?: true;
  readonly shrink?: true;
  readonly lines: number;
  readonly details?: true;
  readonly faults?: readonly number[];
  readonly kvClients?: number;
  readonly watchClients?: number;
  readonly leaseClients?: number;
}

const count = (text: string): number => {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("not a number");
  return Number(text);
};

const places = (text: string): readonly number[] => (text === "none" ? [] : text.split(",").map(count));

const options = program
  .name("sim")
  .description("Runs whole simulated clusters. With SEED=<n> in the environment: that one, and its last events.")
  .option("--seeds <count>", "how many", count, 200)
  .option("--from <seed>", "the first", count, 1)
  .option("--jobs <count>", "processes", count, availableParallelism())
  .option("--stop-at-first", "run no further seeds once one has failed")
  .option("--shrink", "look for fewer faults with which the seed still fails")
  .option("--lines <lines>", "the last events of a failed seed", count, 60)
  .option("--details", "list every message, too")
  .option(
    "--faults <places>",
    "with SEED: only these faults, by their places in its list, as --shrink names them",
    places,
  )
  .option("--kv-clients <count>", "with SEED: so many of these clients", count)
  .option("--watch-clients <count>", "with SEED: so many of these", count)
  .option("--lease-clients <count>", "with SEED: so many of these", count)
  .parse()
  .opts<Options>();

const wish = { lines: options.lines, details: options.details === true };

const tell = (report: Report): void => {
  if (report.failure !== undefined) console.log(`${describeFailure(report)}\n`);
  else if (wanted !== undefined) console.log(`SEED=${report.seed} as promised, trace ${report.digest}`);
};

/** Runs one seed, reduced as the arguments say. */
const runOne = async (seed: number): Promise<readonly Report[]> => {
  const { faults, kvClients, watchClients, leaseClients } = options;
  const reduction = Object.entries({ faults, kvClients, watchClients, leaseClients });
  const report = await runSeed(seed, wish, Object.fromEntries(reduction.filter(([, value]) => value !== undefined)));
  tell(report);
  return [report];
};

const runMany = (): Promise<readonly Report[]> =>
  runSeeds(
    Array.from({ length: options.seeds }, (_, n) => options.from + n),
    { ...wish, jobs: options.jobs, stopAtFirst: options.stopAtFirst === true, onReport: tell },
  );

const wanted = process.env["SEED"];
const begun = performance.now();
const reports = wanted === undefined ? await runMany() : await runOne(Number(wanted));
console.log(describeSummary(reports));
console.log(`in ${((performance.now() - begun) / 1_000).toFixed(1)} s`);
const failed = reports.filter(({ failure }) => failure !== undefined);
if (options.shrink === true)
  for (const { seed } of failed) console.log(await shrink(seed, { ...wish, onProgress: (text) => console.log(text) }));
process.exitCode = failed.length === 0 ? 0 : 1;

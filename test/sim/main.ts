// `npm run sim -- --seeds 1000`, `SEED=7 npm run sim`: whole clusters in virtual time, one history from one seed.

import { availableParallelism } from "node:os";
import { InvalidArgumentError, program } from "commander";
import { tellFailure, tellSummary } from "./whole/report.js";
import { runSeeds } from "./whole/run-seeds.js";
import { shrink } from "./whole/shrink.js";

interface Options {
  readonly seeds: number;
  readonly from: number;
  readonly jobs: number;
  readonly stopAtFirst?: true;
  readonly shrink?: true;
  readonly story: number;
  readonly details?: true;
}

const count = (text: string): number => {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("not a number");
  return Number(text);
};

const options = program
  .name("sim")
  .description("Runs whole simulated clusters. With SEED=<n> in the environment: that one, and all of its story's end.")
  .option("--seeds <count>", "how many", count, 200)
  .option("--from <seed>", "the first", count, 1)
  .option("--jobs <count>", "processes", count, availableParallelism())
  .option("--stop-at-first", "run no further seeds once one has failed")
  .option("--shrink", "look for fewer faults with which the seed still fails")
  .option("--story <lines>", "of a failed seed", count, 60)
  .option("--details", "every message is a part of the story")
  .parse()
  .opts<Options>();

const wanted = process.env["SEED"];
const seeds =
  wanted === undefined ? Array.from({ length: options.seeds }, (_, n) => options.from + n) : [Number(wanted)];
const wish = { lines: options.story, details: options.details === true };
const begun = performance.now();
const reports = await runSeeds(seeds, {
  ...wish,
  jobs: options.jobs,
  stopAtFirst: options.stopAtFirst === true,
  onReport: (report) => {
    if (report.failure !== undefined) console.log(`${tellFailure(report)}\n`);
    else if (seeds.length === 1) console.log(`SEED=${report.seed} as promised, trace ${report.digest}`);
  },
});
console.log(tellSummary(reports));
console.log(`in ${((performance.now() - begun) / 1_000).toFixed(1)} s on ${options.jobs} processes`);
const failed = reports.filter(({ failure }) => failure !== undefined);
if (options.shrink === true)
  for (const { seed } of failed) console.log(await shrink(seed, { ...wish, onProgress: (text) => console.log(text) }));
process.exitCode = failed.length === 0 ? 0 : 1;

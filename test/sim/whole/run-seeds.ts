// Runs many seeds, on as many processes as wanted.

import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { planOf, reduced, type Reduction } from "./plan.js";
import { reportOf, type Report, type StoryWish } from "./report.js";
import { Simulation } from "./simulation.js";

export const runSeed = async (seed: number, wish: StoryWish, reduction: Reduction = {}): Promise<Report> =>
  reportOf(await new Simulation(reduced(planOf(seed), reduction)).run(), wish);

export interface RunOptions extends StoryWish {
  readonly jobs: number;
  readonly stopAtFirst: boolean;
  readonly onReport: (report: Report) => void;
}

/** A worker's task; its answer is a `Report`. */
export interface Task extends StoryWish {
  readonly seed: number;
}

const worker = fileURLToPath(new URL("./worker.ts", import.meta.url));

/** Runs `seeds`; the reports are in their order, whatever the order in which they came. */
export const runSeeds = async (seeds: readonly number[], options: RunOptions): Promise<readonly Report[]> => {
  const reports: Report[] = [];
  let next = 0;
  const take = (): number | undefined => seeds[next++];
  const done = (report: Report): void => {
    reports.push(report);
    options.onReport(report);
    if (report.failure !== undefined && options.stopAtFirst) next = seeds.length;
  };
  const jobs = Math.min(options.jobs, seeds.length);
  if (jobs <= 1) for (let seed = take(); seed !== undefined; seed = take()) done(await runSeed(seed, options));
  else await Promise.all(Array.from({ length: jobs }, () => runOnWorker(take, options, done)));
  return reports.sort((a, b) => a.seed - b.seed);
};

/** One process, which is given one seed after the other. */
const runOnWorker = async (
  take: () => number | undefined,
  { lines, details }: StoryWish,
  onReport: (report: Report) => void,
): Promise<void> => {
  const child = fork(worker, [], { execArgv: ["--import", "tsx"] });
  try {
    for (let seed = take(); seed !== undefined; seed = take()) onReport(await ask(child, { seed, lines, details }));
  } finally {
    if (child.connected) child.disconnect();
  }
};

const ask = (child: ChildProcess, task: Task): Promise<Report> =>
  new Promise((resolve, reject) => {
    const onExit = (code: number | null, signal: string | null): void =>
      reject(new Error(`the worker ended with ${code ?? signal} at seed ${task.seed}`));
    child.once("exit", onExit);
    child.once("message", (report) => {
      child.off("exit", onExit);
      resolve(report as Report);
    });
    child.send(task);
  });

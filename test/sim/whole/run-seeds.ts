// Runs many seeds, in several processes.

import { fork, type ChildProcess } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compile } from "../../compile.js";
import { planOf, reduce, type Reduction } from "./plan.js";
import { reportOf, type Report, type StoryWish } from "./report.js";
import { Simulation } from "./simulation.js";

export const runSeed = async (seed: number, wish: StoryWish, reduction: Reduction = {}): Promise<Report> =>
  reportOf(await new Simulation(reduce(planOf(seed), reduction)).run(), wish);

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
/** Folder of the compiled worker; inside the package, so that the worker finds its dependencies. */
const compiled = fileURLToPath(new URL(`../../../dist.sim-${process.pid}`, import.meta.url));

/** Runs `seeds`; the reports are in the order of `seeds`. */
export const runSeeds = async (seeds: readonly number[], options: RunOptions): Promise<readonly Report[]> => {
  const reports: Report[] = [];
  let next = 0;
  const take = (): number | undefined => seeds[next++];
  const finish = (report: Report): void => {
    reports.push(report);
    options.onReport(report);
    if (report.failure !== undefined && options.stopAtFirst) next = seeds.length;
  };
  const jobs = Math.min(options.jobs, seeds.length);
  if (jobs <= 1) for (let seed = take(); seed !== undefined; seed = take()) finish(await runSeed(seed, options));
  else await runOnWorkers(jobs, take, options, finish);
  return reports.sort((a, b) => a.seed - b.seed);
};

/** Compiles the worker once: a process whose loader compiles all files takes seconds to start. */
const runOnWorkers = async (
  count: number,
  take: () => number | undefined,
  wish: StoryWish,
  onReport: (report: Report) => void,
): Promise<void> => {
  const remove = (): void => rmSync(compiled, { recursive: true, force: true });
  process.once("exit", remove); // a worker or a signal may end the run early
  try {
    const [program = worker] = await compile({ worker }, compiled);
    await Promise.all(Array.from({ length: count }, () => runOnWorker(program, take, wish, onReport)));
  } finally {
    process.off("exit", remove);
    remove();
  }
};

/** Runs one process, which takes one seed after the other. */
const runOnWorker = async (
  program: string,
  take: () => number | undefined,
  { lines, details }: StoryWish,
  onReport: (report: Report) => void,
): Promise<void> => {
  const child = fork(program, [], { execArgv: ["--enable-source-maps"] });
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

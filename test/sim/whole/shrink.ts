// Looks for the fewest faults with which a seed still fails: those are its story.

import { planOf, type Fault, type Plan } from "./plan.js";
import { reportOf, tellFailure, type StoryWish } from "./report.js";
import { Simulation, type Result } from "./simulation.js";

export interface ShrinkOptions extends StoryWish {
  readonly onProgress: (text: string) => void;
}

/** Most attempts; each is a whole simulation. */
const maxAttempts = 150;

/** Leaves out whole kinds, then ever smaller parts of the list, as long as it still fails. Tells what is left. */
export const shrink = async (seed: number, options: ShrinkOptions): Promise<string> => {
  let plan = planOf(seed);
  let worst = await run(plan);
  if (worst.failure === undefined) return `SEED=${seed} does not fail`;
  let attempts = 0;
  const keepIfFails = async (faults: readonly Fault[]): Promise<boolean> => {
    if (faults.length === plan.faults.length || attempts >= maxAttempts) return false;
    attempts++;
    const candidate = { ...plan, faults };
    const result = await run(candidate);
    if (result.failure === undefined) return false;
    plan = candidate;
    worst = result;
    options.onProgress(`  still fails with ${faults.length} faults`);
    return true;
  };
  for (const kind of new Set(plan.faults.map((fault) => fault.kind)))
    await keepIfFails(plan.faults.filter((fault) => fault.kind !== kind));
  // What came after the failure had no part in it.
  await keepIfFails(plan.faults.filter(({ at }) => at <= worst.virtualMs));
  for (let size = Math.ceil(plan.faults.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
    for (let start = 0; start < plan.faults.length;)
      if (!(await keepIfFails([...plan.faults.slice(0, start), ...plan.faults.slice(start + size)]))) start += size;
  const left = plan.faults.map(({ kind, at, ms }) => `${kind} at ${at.toFixed(0)} ms for ${ms.toFixed(0)} ms`);
  return `${tellFailure(reportOf(worst, options))}\nfaults that are left: ${left.join("; ") || "none"}`;
};

const run = (plan: Plan): Promise<Result> => new Simulation(plan).run();

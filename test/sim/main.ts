import { planOf } from "./whole/plan.js";
import { Simulation } from "./whole/simulation.js";

const from = Number(process.env["SEED"] ?? process.argv[2] ?? 1);
const count = Number(process.argv[3] ?? 1);
for (let seed = from; seed < from + count; seed++) {
  const start = performance.now();
  const result = await new Simulation(planOf(seed)).run();
  const ms = performance.now() - start;
  console.log(
    seed,
    result.failure === undefined ? "ok" : "FAILED",
    result.digest,
    `${ms.toFixed(0)} ms`,
    `virtual ${result.virtualMs.toFixed(0)}`,
    result.steps,
    "steps",
    result.entries,
    "entries",
    result.recovery.toFixed(2),
    JSON.stringify(result.counts),
  );
  if (result.failure) {
    console.log(
      result.story
        .last(Number(process.env["LAST"] ?? 60), { details: process.env["DETAILS"] !== undefined })
        .join("\n"),
    );
    console.log(result.failure);
  }
}

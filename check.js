// `npm run check`: types, lint, format, and the numbers of the source. `node check.js <step>...` runs the given steps; `build` is
// a further step.
//
// The steps run at the same time, as many as there are cores, and print their output one after the other. Their caches are in
// node_modules/.cache. Lint takes the result of an unchanged file from its cache, although a change of another file or of a rule
// in test/structure may change that result; .ci/run starts without a cache.

import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

const cache = "node_modules/.cache";
const program = (path) => fileURLToPath(import.meta.resolve(path));
const packageProgram = (name, path) => program(`${name}/package.json`).replace(/package\.json$/, path);

/** Arguments of Node by step; the longest first. */
const steps = {
  lint: [
    packageProgram("eslint", "bin/eslint.js"),
    ...["--cache", "--cache-location", `${cache}/eslint/`, "--cache-strategy", "content", "."],
  ],
  /** Skips the types, which the step `types` checks. */
  build: ["build.js", "--noCheck"],
  types: [
    program("typescript/bin/tsc"),
    ...["-p", "tsconfig.json", "--incremental", "--tsBuildInfoFile", `${cache}/types.tsbuildinfo`],
  ],
  format: [
    packageProgram("prettier", "bin/prettier.cjs"),
    ...["--check", "--cache", "--cache-strategy", "content", "."],
  ],
  structure: ["--import", "tsx", "test/structure/main.ts"],
};

const names = Object.keys(steps);
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  console.error(`unknown step ${unknown.join(", ")}: choose among ${names.join(", ")}`);
  process.exit(2);
}
const waiting = names.filter((name) => (wanted.length > 0 ? wanted.includes(name) : name !== "build"));

const running = new Set();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(signal, () => {
    waiting.length = 0;
    for (const child of running) child.kill(signal);
  });

/** Runs one step, then prints its output as a whole. */
const run = async (name) => {
  const startedAt = performance.now();
  const child = spawn(process.execPath, steps[name], { stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => output.push(chunk));
  const code = await new Promise((done, reject) => child.once("error", reject).once("close", done));
  running.delete(child);
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
  console.log(`== ${name}: ${code === 0 ? "passed" : "FAILED"} in ${seconds} s`);
  process.stdout.write(Buffer.concat(output));
  if (code !== 0) process.exitCode = 1;
};

const runAll = async () => {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await run(name);
};
await Promise.all(Array.from({ length: availableParallelism() }, runAll));

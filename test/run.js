// Runs a suite with Node's own test runner: `node test/run.js unit|interop|faults [part of a path]`.
// The runner of Node 20 takes neither globs nor TypeScript, so the files are found here and tsx loads them.

import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join, sep } from "node:path";

/** Suites that need more than Node; everything else is `unit`. */
const special = ["interop", "faults"];

const [suite = "unit", ...parts] = process.argv.slice(2);
if (suite !== "unit" && !special.includes(suite)) {
  console.error(`unknown suite "${suite}": choose unit, ${special.join(" or ")}`);
  process.exit(2);
}
const files = readdirSync("test", { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".test.ts"))
  .filter((path) => (suite === "unit" ? !special.includes(path.split(sep)[0]) : path.startsWith(suite + sep)))
  .filter((path) => parts.every((part) => path.includes(part)))
  .map((path) => join("test", path))
  .sort();
if (files.length === 0) {
  console.error(`no test of suite ${suite} matches ${parts.join(" ")}`);
  process.exit(2);
}
// Suites with real clusters measure time against deadlines: one file at a time.
const concurrency = suite === "unit" ? 2 : 1;
/** A test file that hangs fails after this, instead of the run never ending. The simulator's file needs 20 min on a busy machine. */
const fileTimeoutMs = 40 * 60_000;
// What the user has set for etcd and etcdctl is not meant for the servers and commands of the tests.
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^ETCD(CTL)?_/.test(name)));
const runner = spawn(
  process.execPath,
  [
    "--import",
    "tsx",
    "--import",
    "./test/support/end-with-parent.js",
    "--test",
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${fileTimeoutMs}`,
    "--test-reporter=spec",
    ...files,
  ],
  { stdio: "inherit", env: environment },
);
// Ends the runner; the processes of the test files end with it.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => runner.kill(signal));
runner.on("exit", (code, signal) => process.exit(signal === null ? code : 1));

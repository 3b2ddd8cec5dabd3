// Runs suites with Node's own test runner: `node test/run.js [suite...] [part of a path...]`; without a suite, those of `npm test`. Of
// these suites, only the files whose paths contain every given part are run.
//
// The runner of Node 20 takes no globs, and runs every file in a process of its own, which would compile the product anew. This script
// finds the files and compiles each suite at once; the files of `unit` that belong to one folder share processes.

import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve, sep } from "node:path";
import { compile } from "./compile.js";

/** Folders of the suites that are not `unit`. */
const folders = {
  /** Tests that start processes and wait for them. */
  process: ["process", "build", "docs", "examples"],
  /** Tests of the packed package, for which TypeScript's compiler and publint run. */
  package: ["package"],
  /** Whole clusters in virtual time. Each file uses all cores, so no other file of `npm test` runs at the same time. */
  sim: ["sim"],
  /** Suites that need more than Node. */
  interop: ["interop"],
  faults: ["faults"],
};
const suites = ["unit", ...Object.keys(folders)];
/** Suites of `npm test`, one after the other. */
const defaultSuites = ["unit", "process", "sim"];
/**
 * Number of test files that run at the same time. Those of `process` and some of `unit` mostly wait for sockets, leases and restarts,
 * those of `interop` for other programs. `faults` fill disks and use up file descriptors, so they run alone.
 */
const cores = availableParallelism();
const concurrency = { unit: cores + 2, process: 2 * cores + 1, package: 1, sim: 1, interop: cores, faults: 1 };
/** Beginnings of the longest files' paths, the longest first; they begin first, so that the others run beside them. */
const longest = [
  ...["leases", "client", "local-cluster", "reset-member", "snapshots"].map((name) => `test/process/${name}.`),
  ...["test/examples/", "test/process/verify.", "test/process/promises."],
  ...["test/cli/", "test/client/", "test/testing/", "test/server/"],
];
/** Timeout of a test file that hangs. 200 seeds need 20 min on a busy machine. */
const fileTimeoutMs = 40 * 60_000;

const words = process.argv.slice(2);
const firstPart = words.findIndex((word) => !suites.includes(word));
const chosen = firstPart === -1 ? words : words.slice(0, firstPart);
const parts = words.slice(chosen.length);

const rankOf = (path) => {
  const rank = longest.findIndex((beginning) => path.startsWith(beginning));
  return rank === -1 ? longest.length : rank;
};
const paths = ["test", "examples"]
  .flatMap((root) => readdirSync(root, { recursive: true, encoding: "utf8" }).map((path) => join(root, path)))
  .filter((path) => path.endsWith(".test.ts") && parts.every((part) => path.includes(part)))
  .sort()
  .sort((a, b) => rankOf(a) - rankOf(b));
/** Returns the first folder of a path below test/; `projects` for tests beside an example. */
const folderOf = (path) => {
  const [root, folder] = path.split(sep);
  return root === "test" ? folder : "projects";
};
const suiteOf = (path) => Object.keys(folders).find((suite) => folders[suite].includes(folderOf(path))) ?? "unit";

/** Returns every n-th path from `first` on, so that the long tests of one subfolder are spread over several groups. */
const everyNthOf = (n, paths, first) => paths.filter((_, index) => index % n === first);

/** Test files of a folder that share a process: few enough groups to load modules rarely, and enough to use all cores. */
const groupSize = 32;

/** Folder of the compiled test files; inside the package, so that they find its dependencies and the package itself. */
const compiled = `dist.tests-${process.pid}`;

/** Returns the entries of a suite by the names of their compiled files: test files, or one file for each group. */
const entriesOf = (suite, paths) => {
  if (suite !== "unit") return Object.fromEntries(paths.map((path) => [path.replace(/\.ts$/, ""), path]));
  const groups = [...new Set(paths.map(folderOf))].flatMap((name) => {
    const own = paths.filter((path) => folderOf(path) === name);
    const count = Math.ceil(own.length / groupSize);
    return Array.from({ length: count }, (_, n) => [
      `${name}-${n}`,
      groupFile(`${name}-${n}`, everyNthOf(count, own, n)),
    ]);
  });
  return Object.fromEntries(groups);
};

/** Writes a file that imports the files of a group. */
const groupFile = (name, paths) => {
  const file = join(compiled, "groups", `${name}.js`);
  mkdirSync(join(compiled, "groups"), { recursive: true });
  writeFileSync(file, paths.map((path) => `import ${JSON.stringify(resolve(path))};\n`).join(""));
  return file;
};

let runner;
let interrupted = false;
// Ends the runner; the processes of the test files end with it.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(signal, () => {
    interrupted = true;
    runner?.kill(signal);
  });

// Variables that the user has set for etcd and etcdctl must not reach the servers and commands of the tests.
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^ETCD(CTL)?_/.test(name)));

/** Runs test files. Resolves to whether all their tests have passed. */
const run = (suite, files) =>
  new Promise((done, reject) => {
    runner = spawn(
      process.execPath,
      [
        ...["--enable-source-maps", "--require", resolve("test/support/end-with-parent.cjs"), "--test"],
        ...[`--test-concurrency=${concurrency[suite]}`, `--test-timeout=${fileTimeoutMs}`, "--test-reporter=spec"],
        ...files,
      ],
      { stdio: "inherit", env: environment },
    );
    runner.once("error", reject);
    runner.once("exit", (code) => done(code === 0));
  });

const failed = [];
let found = 0;
try {
  for (const suite of chosen.length > 0 ? chosen : defaultSuites) {
    const own = paths.filter((path) => suiteOf(path) === suite);
    found += own.length;
    if (own.length === 0 || interrupted) continue;
    const startedAt = performance.now();
    console.log(`== ${suite}: ${own.length} files`);
    const passed = await run(suite, await compile(entriesOf(suite, own), join(compiled, suite)));
    if (!passed) failed.push(suite);
    console.log(
      `== ${suite}: ${passed ? "passed" : "FAILED"} in ${((performance.now() - startedAt) / 1_000).toFixed(0)} s`,
    );
  }
} finally {
  rmSync(compiled, { recursive: true, force: true });
}
if (found === 0) {
  console.error(
    `no test of ${chosen.join(", ") || defaultSuites.join(", ")} matches "${parts.join(" ")}"; suites: ${suites.join(", ")}`,
  );
  process.exitCode = 2;
} else if (failed.length > 0 || interrupted) {
  console.error(`failed: ${failed.join(", ")}`);
  process.exitCode = 1;
}

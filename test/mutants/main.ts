// `npm run test:mutants` breaks the product on purpose, in one place at a time, and expects the tests to fail.

import { spawn } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { program } from "commander";
import { endWithTests } from "../support/child-processes.js";
import { remeasure, scaleMs } from "../support/machine-speed.js";
import { mutants, type Check, type Edit, type Mutant } from "./mutants.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
/** Parts of the tree that the checks need. The copies share the installed packages. */
const parts = [
  "platform",
  "raft",
  "store",
  "server",
  "client",
  "cli",
  "proto",
  "testing",
  "test",
  "package.json",
  "tsconfig.json",
];
/** Timeout on a quiet machine. A check that hangs detects the mutant, but does not show how, so it fails this run. */
const checkTimeoutMs = 60_000;
/** Number of seeds to try if the recorded one no longer detects the mutant; a test of the simulator runs as many. */
const maxSeeds = 200;

interface Outcome {
  readonly failed: boolean;
  readonly output: string;
}

/** A copy of the tree in which one mutant at a time is made. */
class Copy implements AsyncDisposable {
  private constructor(private readonly folder: string) {}

  static async make(): Promise<Copy> {
    const folder = await mkdtemp(join(tmpdir(), "minietcd-mutants-"));
    for (const part of parts) await cp(join(root, part), join(folder, part), { recursive: true });
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
    return new Copy(folder);
  }

  /**
   * Makes a mutant's edits.
   * @throws Error if a snippet does not occur exactly once: the list has to follow the code
   */
  async mutate({ name, also = [], ...first }: Mutant): Promise<{ undo: () => Promise<void> }> {
    const undos: (() => Promise<void>)[] = [];
    for (const edit of [first, ...also]) undos.unshift(await this.edit(name, edit));
    return {
      undo: async () => {
        for (const undo of undos) await undo();
      },
    };
  }

  private async edit(name: string, { file, snippet, replacement }: Edit): Promise<() => Promise<void>> {
    const path = join(this.folder, file);
    const text = await readFile(path, "utf8");
    const places = text.split(snippet).length - 1;
    if (places !== 1) throw new Error(`"${name}": the snippet is ${places} times in ${file}, should be there once`);
    await writeFile(
      path,
      text.replace(snippet, () => replacement),
    );
    return () => writeFile(path, text);
  }

  /** Runs a program of the tree. Its process group is killed when it ends. */
  async run(what: string, timeoutMs: number, ...args: readonly string[]): Promise<Outcome> {
    const env: NodeJS.ProcessEnv = { ...process.env, NODE_ENV: "test", SEEDS: String(maxSeeds), THOROUGH: "1" };
    Reflect.deleteProperty(env, "SEED");
    const child = endWithTests(
      spawn(process.execPath, ["--import", "tsx", "--require", "./test/support/end-with-parent.cjs", ...args], {
        cwd: this.folder,
        env,
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
      }),
    );
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    let ending = "was killed";
    const timeout = setTimeout(() => {
      ending = `did not end within ${timeoutMs} ms`;
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    }, timeoutMs);
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    clearTimeout(timeout);
    if (code === null) throw new Error(`${what} ${ending}`);
    return { failed: code !== 0, output };
  }

  check(check: Check): Promise<Outcome> {
    remeasure();
    return this.run(nameOf(check), scaleMs(checkTimeoutMs), ...argumentsOf(check));
  }

  /** Runs the simulator's seeds up to the first that fails. */
  simulateAll(): Promise<Outcome> {
    const args = ["--seeds", String(maxSeeds), "--jobs", "1", "--stop-at-first"];
    return this.run("the simulation", scaleMs(maxSeeds * 5_000), "test/sim/main.ts", ...args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

const argumentsOf = (check: Check): string[] =>
  check.kind === "simulation"
    ? ["test/sim/main.ts", "--from", String(check.seed ?? 1), "--seeds", "1", "--jobs", "1"]
    : [check.file];

const nameOf = (check: Check): string =>
  check.kind === "simulation" ? `simulation of seed ${check.seed ?? 1}` : check.file;

/** Returns the lines of a check's output that show how it failed. */
const evidence = (check: Check, output: string): string => {
  if (check.kind === "simulation") {
    const failure = /SEED=\d+ failed: (?:AssertionError \[ERR_ASSERTION\]: )?(.*)/.exec(output)?.[1];
    return failure ?? "it failed before its first seed";
  }
  const failures = [...output.matchAll(/^\s*(?:not ok \d+ -|✖) (.*?)(?: \([\d.]+ms\))?$/gm)].map(
    ([, title]) => title ?? "",
  );
  return failures.find((title) => !title.endsWith(".test.ts")) ?? "it does not start";
};

interface Options {
  readonly all?: true;
  readonly kind?: Check["kind"];
  readonly jobs: number;
}

const options = program
  .name("test:mutants")
  .description(
    "Makes one mistake after the other in the product, and expects the checks that are named for it to fail.",
  )
  .argument("[name]", "only those with this in their names")
  .option("--all", "run every check that is named for a mutant, not only the first")
  .option("--kind <kind>", 'run only checks of this kind: "test" or "simulation"')
  .option("--jobs <count>", "how many at a time", Number, availableParallelism())
  .parse()
  .opts<Options>();

const wanted = program.args[0] ?? "";

/** Returns the checks to run for a mutant. */
const checksFor = ({ caughtBy }: Mutant): readonly Check[] => {
  const able = caughtBy.filter(({ kind }) => options.kind === undefined || options.kind === kind);
  return options.all === true ? able : able.slice(0, 1);
};

const problems: string[] = [];

/** Runs a check without any mutant: a check that fails then proves nothing. */
const checkWithout = async (copy: Copy, check: Check): Promise<string> => {
  const { failed, output } = await copy.check(check);
  if (failed) problems.push(`${nameOf(check)} fails without any mutant: ${evidence(check, output)}`);
  return `${failed ? "FAILS" : "passes"} without a mutant: ${nameOf(check)}`;
};

const checkMutant = async (copy: Copy, mutant: Mutant): Promise<string> => {
  const lines = [mutant.name];
  const { undo } = await copy.mutate(mutant);
  try {
    for (const check of checksFor(mutant)) lines.push(`  ${await checkOne(copy, mutant, check)}`);
  } finally {
    await undo();
  }
  return lines.join("\n");
};

const checkOne = async (copy: Copy, { name }: Mutant, check: Check): Promise<string> => {
  const { failed, output } = await copy.check(check);
  if (failed) return `caught by ${nameOf(check)}: ${evidence(check, output)}`;
  if (check.kind === "simulation") {
    const all = await copy.simulateAll();
    const seed = /SEED=(\d+) failed/.exec(all.output)?.[1];
    if (seed !== undefined)
      return `caught by simulation of seed ${seed}, which is to be recorded: ${evidence(check, all.output)}`;
  }
  problems.push(`${name}: not noticed by ${nameOf(check)}`);
  return `MISSED by ${nameOf(check)}`;
};

/** Runs all tasks, `options.jobs` at a time, each on a tree of its own, and prints their results. */
const doAll = async (copies: readonly Copy[], tasks: readonly ((copy: Copy) => Promise<string>)[]): Promise<void> => {
  let next = 0;
  await Promise.all(
    copies.map(async (copy) => {
      for (let task = tasks[next++]; task !== undefined; task = tasks[next++]) {
        const text = await task(copy).catch((error: unknown) => {
          problems.push(String(error));
          return String(error);
        });
        console.log(`[${((performance.now() - begun) / 1_000).toFixed(0)} s] ${text}`);
      }
    }),
  );
};

const begun = performance.now();
const chosen = mutants.filter((mutant) => mutant.name.includes(wanted) && checksFor(mutant).length > 0);
if (chosen.length === 0) {
  console.error(`no mutant's name contains "${wanted}"`);
  process.exit(2);
}
const checks = new Map(chosen.flatMap(checksFor).map((check) => [nameOf(check), check]));
const copies = await Promise.all(Array.from({ length: options.jobs }, () => Copy.make()));
try {
  for (const mutant of chosen) await (await copies[0]!.mutate(mutant)).undo(); // a missing snippet is reported before any check runs
  console.log(`${chosen.length} mutants, ${checks.size} checks, ${options.jobs} at a time`);
  await doAll(copies, [
    ...[...checks.values()].map((check) => (copy: Copy) => checkWithout(copy, check)),
    ...chosen.map((mutant) => (copy: Copy) => checkMutant(copy, mutant)),
  ]);
} finally {
  for (const copy of copies) await copy[Symbol.asyncDispose]();
}
console.log(`\n${chosen.length} mutants, ${problems.length === 0 ? "all caught" : `${problems.length} problems:`}`);
for (const problem of problems) console.log(`  ${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;

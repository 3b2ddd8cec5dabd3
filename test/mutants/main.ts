// `npm run test:mutants [-- part of a name]`: breaks the product on purpose, in one place at a time, and expects the tests to notice.

import { spawn } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mutants, type Check, type Edit, type Mutant } from "./mutants.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
/** What the checks need of the tree; what is installed is shared. */
const parts = ["raft", "store", "server", "client", "cli", "proto", "test", "package.json", "tsconfig.json"];
/** Whoever hangs has noticed something, too, but says nothing of it: that counts as a failure of this run. */
const checkTimeoutMs = 10 * 60_000;

interface Outcome {
  readonly failed: boolean;
  readonly output: string;
}

/** A copy of the tree in which one file at a time is another. */
class Copy implements AsyncDisposable {
  private constructor(private readonly folder: string) {}

  static async make(): Promise<Copy> {
    const folder = await mkdtemp(join(tmpdir(), "minietcd-mutants-"));
    for (const part of parts) await cp(join(root, part), join(folder, part), { recursive: true });
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
    return new Copy(folder);
  }

  /** @throws Error if a snippet is not there exactly once: the list has to follow the code */
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

  run(check: Check): Promise<Outcome> {
    const child = spawn(process.execPath, ["--import", "tsx", ...argumentsOf(check)], {
      cwd: this.folder,
      env: { ...process.env, NODE_ENV: "test" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    const timeout = setTimeout(() => child.kill("SIGKILL"), checkTimeoutMs);
    return new Promise((resolve, reject) => {
      child.once("close", (code) => {
        clearTimeout(timeout);
        if (code === null) reject(new Error(`${nameOf(check)} did not end within ${checkTimeoutMs / 1_000} s`));
        else resolve({ failed: code !== 0, output });
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

const argumentsOf = (check: Check): string[] =>
  check.kind === "simulation"
    ? ["test/sim/main.ts", "--seeds", String(check.seeds), "--stop-at-first"]
    : ["--test", check.file];

const nameOf = (check: Check): string =>
  check.kind === "simulation" ? `simulation of ${check.seeds} seeds` : check.file;

/** What of a check's output tells how it noticed. */
const evidence = (check: Check, output: string): string => {
  if (check.kind === "simulation") {
    const seed = /SEED=(\d+)/.exec(output)?.[1];
    return seed === undefined ? "it failed before its first seed" : `seed ${seed}`;
  }
  const failures = [...output.matchAll(/^\s*(?:not ok \d+ -|✖) (.*?)(?: \([\d.]+ms\))?$/gm)].map(
    ([, title]) => title ?? "",
  );
  return failures.find((title) => !title.endsWith(".test.ts")) ?? "it does not start";
};

const wanted = process.argv[2];
const chosen = mutants.filter(({ name }) => wanted === undefined || name.includes(wanted));
if (chosen.length === 0) {
  console.error(`no mutant's name contains "${wanted}"`);
  process.exit(2);
}
await using copy = await Copy.make();
for (const mutant of chosen) await (await copy.mutate(mutant)).undo(); // a snippet that is gone is known at once

const problems: string[] = [];
const checks = new Map(chosen.flatMap(({ caughtBy }) => caughtBy).map((check) => [nameOf(check), check]));
for (const [name, check] of checks) {
  const { failed } = await copy.run(check);
  console.log(`${failed ? "FAILS" : "passes"} without a mutant: ${name}`);
  if (failed) problems.push(`${name} fails without any mutant, so it proves nothing`);
}
for (const mutant of chosen) {
  console.log(`\n${mutant.name} (${mutant.file})`);
  const { undo } = await copy.mutate(mutant);
  for (const check of mutant.caughtBy) {
    const { failed, output } = await copy.run(check);
    console.log(`  ${failed ? "caught" : "MISSED"} by ${nameOf(check)}${failed ? `: ${evidence(check, output)}` : ""}`);
    if (!failed) problems.push(`${mutant.name}: not noticed by ${nameOf(check)}`);
  }
  await undo();
}
console.log(`\n${chosen.length} mutants, ${problems.length === 0 ? "all caught" : `${problems.length} problems:`}`);
for (const problem of problems) console.log(`  ${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;

// The list of etcdctl's commands and flags for docs/compatibility.md equals etcdctl's own help; minietcdctl has each of them, or
// docs/differences.md names it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { etcdctlCommands, etcdctlGlobalFlags } from "../../docs/etcdctl-commands.js";
import { pathOfTool } from "../../support/built-tools.js";
import { minietcdctl } from "./ctl.js";

/** The help of a command and its options. */
const helpOf = (words: readonly string[]): string =>
  execFileSync(pathOfTool("etcd/etcdctl"), [...words, "--help"], { encoding: "utf8" });

/** Returns the lines after each heading of a help text, up to an empty line. */
const sections = (help: string): Map<string, string[]> =>
  new Map(
    help.split("\n\n").map((part) => {
      const [heading = "", ...lines] = part.split("\n").filter((line) => line !== "");
      return [heading, lines];
    }),
  );

const commandsIn = (help: string): string[] =>
  [...sections(help)]
    .filter(([heading]) => / commands$|^Available Commands:$/.test(heading))
    .flatMap(([, lines]) => lines.map((line) => line.trim().split(/\s/)[0] ?? ""))
    .filter((name) => name !== "help");

const flagsIn = (lines: string): string[] =>
  [...lines.matchAll(/^ +(?:-\w, +)?--([a-z-]+)/gm)].map(([, name = ""]) => name).filter((name) => name !== "help");

/** Returns all commands below a command, with their flags. */
function tree(words: readonly string[]): [string, string[]][] {
  const help = helpOf(words);
  const children = commandsIn(help);
  if (children.length === 0) return [[words.join(" "), flagsIn(help).sort()]];
  return children.flatMap((child) => tree([...words, child]));
}

test("the list of etcdctl's commands and flags is that of its help", () => {
  const sortByName = (entries: readonly (readonly [string, readonly string[]])[]) =>
    Object.fromEntries(entries.map(([name, flags]) => [name, [...flags].sort()] as const).sort());
  assert.deepEqual(sortByName(tree([])), sortByName(Object.entries(etcdctlCommands)));
  const options = execFileSync(pathOfTool("etcd/etcdctl"), ["options"], { encoding: "utf8" });
  assert.deepEqual(flagsIn(options).sort(), [...etcdctlGlobalFlags].sort());
});

test("minietcdctl knows every command and flag, or docs/differences.md names it", async () => {
  const differences = readFileSync("docs/differences.md", "utf8");
  const missing: string[] = [];
  const program = await minietcdctl.run(["get", ...etcdctlGlobalFlags.map((flag) => `--${flag}=1`), "--help=false"], {
    stdin: "",
    env: {},
  });
  assert.doesNotMatch(program.stderr, /unknown flag/);
  for (const [command, flags] of Object.entries(etcdctlCommands)) {
    const words = command.split(" ");
    const { exitCode, stderr } = await minietcdctl.run([...words, "--help"], { stdin: "", env: {} });
    if (exitCode !== 0) {
      assert.match(stderr, /is not supported yet\n$/, command);
      missing.push(command);
      continue;
    }
    for (const flag of flags) {
      const given = await minietcdctl.run([...words, `--${flag}`, "--help"], { stdin: "", env: {} });
      if (given.stderr.startsWith(`Error: unknown flag: --${flag}\n`)) missing.push(`${command} --${flag}`);
    }
  }
  const [groupOf, nameOf] = [(name: string) => `\`${name.split(" ")[0]}\``, (name: string) => `\`${name}\``];
  const isNamed = (name: string) =>
    differences.includes(nameOf(name)) || (!name.includes("--") && differences.includes(groupOf(name)));
  const unnamed = missing.filter((name) => !isNamed(name));
  assert.deepEqual(unnamed, [], "not in docs/differences.md");
});

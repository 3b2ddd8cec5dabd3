// The ends of test runs: npm's scripts run in a shell, which passes no signal on to a command of a list, so the last command takes the
// shell's place (`exec`).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import test from "node:test";
import { endWithTests } from "../support/child-processes.js";
import { eventually, within } from "../support/deadline.js";

const longEnoughMs = 30_000;

/** Starts the tests of `unit`. Its output closes with the last process that has it: the runner, or one of its test files. */
const startUnitTests = async (program: string, words: readonly string[]) => {
  const env = { ...process.env };
  delete env["NODE_TEST_CONTEXT"]; // with it, Node's runner would not run tests within a test
  const child = endWithTests(spawn(program, words, { env, stdio: ["ignore", "pipe", "ignore"] }));
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  await eventually(longEnoughMs, "the first result of a test", () => (stdout.includes("✔") ? true : undefined));
  return { child, hasPassed: () => stdout.includes("== unit: passed") };
};

test("npm run test:unit: a signal to npm ends the test runner and all its processes", async () => {
  const { child, hasPassed } = await startUnitTests("npm", ["run", "test:unit"]);
  const closed = once(child, "close");
  child.kill("SIGTERM");
  await within(longEnoughMs, "the end of all processes", closed);
  assert.ok(!hasPassed(), "the tests ran to their end");
});

test("test/run.js: when it is killed, Node's runner and the test files end", async () => {
  const { child, hasPassed } = await startUnitTests(process.execPath, ["test/run.js", "unit"]);
  try {
    const closed = once(child, "close");
    child.kill("SIGKILL");
    await within(longEnoughMs, "the end of all processes", closed);
    assert.ok(!hasPassed(), "the tests ran to their end");
  } finally {
    await rm(`dist.tests-${child.pid}`, { recursive: true, force: true });
  }
});

test("the last command of each script that tests or measures takes the place of npm's shell", async () => {
  const { scripts } = JSON.parse(await readFile("package.json", "utf8")) as { scripts: Record<string, string> };
  const names = Object.keys(scripts).filter((name) => /^(test|sim|bench|start)/.test(name));
  assert.ok(names.length >= 8, names.join(", "));
  for (const name of names) assert.match(scripts[name]!, /^(.* && )?exec node [^&|;]*$/, name);
});

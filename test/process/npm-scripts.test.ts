// npm's scripts run in a shell, which passes no signal on to a command of a list: the last command takes the shell's place (`exec`).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { endWithTests } from "../support/child-processes.js";
import { eventually, within } from "../support/deadline.js";

const longEnoughMs = 30_000;

test("npm run test:unit: a signal to npm ends the test runner and all its processes", async () => {
  const env = { ...process.env };
  delete env["NODE_TEST_CONTEXT"]; // with it, Node's runner would not run tests within a test
  const npm = endWithTests(spawn("npm", ["run", "test:unit"], { env, stdio: ["ignore", "pipe", "ignore"] }));
  let stdout = "";
  npm.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  await eventually(longEnoughMs, "the first result of a test", () => (stdout.includes("✔") ? true : undefined));
  const closed = once(npm, "close"); // the runner and its processes have npm's output: it closes with the last of them
  npm.kill("SIGTERM");
  await within(longEnoughMs, "the end of all processes", closed);
  assert.ok(!stdout.includes("== unit: passed"), "the tests ran to their end");
});

test("the last command of each script that tests or measures takes the place of npm's shell", async () => {
  const { scripts } = JSON.parse(await readFile("package.json", "utf8")) as { scripts: Record<string, string> };
  const names = Object.keys(scripts).filter((name) => /^(test|sim|bench|start)/.test(name));
  assert.ok(names.length >= 8, names.join(", "));
  for (const name of names) assert.match(scripts[name]!, /^(.* && )?exec node [^&|;]*$/, name);
});

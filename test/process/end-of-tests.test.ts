// The processes that tests start end with the tests, even if those are killed.

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { endWithTests } from "../support/child-processes.js";
import { eventually, within } from "../support/deadline.js";

const fixture = fileURLToPath(new URL("abandoned-processes.ts", import.meta.url));
const endWithParent = fileURLToPath(new URL("../support/end-with-parent.cjs", import.meta.url));

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Waits for the pids that the fixture prints: its own, and those of the processes that it has started. */
const pidsOf = async (child: ChildProcess): Promise<number[]> => {
  for await (const line of createInterface(child.stdout!)) {
    const pids = /pids (\d+(?: \d+)*)/.exec(line)?.[1];
    if (pids !== undefined) return pids.split(" ").map(Number);
  }
  throw new Error("it has ended before");
};

/** Starts Node without the variable of its test runner, with which a nested runner does nothing. */
const start = (...words: string[]): ChildProcess => {
  const env = { ...process.env };
  delete env["NODE_TEST_CONTEXT"];
  const args = ["--import", "tsx", "--require", endWithParent, ...words];
  return endWithTests(spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] }));
};

const assertNoneIsLeft = async (child: ChildProcess): Promise<void> => {
  const pids = await within(20_000, "the pids", pidsOf(child));
  const started = pids.slice(1);
  assert.equal(started.length, 3);
  assert.ok(started.every(isAlive));
  child.kill("SIGKILL");
  await within(10_000, "the end", once(child, "exit"));
  await eventually(10_000, `the end of ${pids.join(", ")}`, () => !pids.some(isAlive) || undefined);
};

test("a test file that is killed leaves no member behind, running or frozen, and no child of another kind", () =>
  assertNoneIsLeft(start(fixture)));

test("a test runner that is killed leaves no test process behind, and no child of one", () =>
  assertNoneIsLeft(start("--test", "--test-reporter=tap", fixture)));

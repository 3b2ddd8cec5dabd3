// minietcdctl as a process: the end of each command, and an output that cannot be written.

import assert from "node:assert/strict";
import { execFile, spawn, type StdioNull, type StdioPipe } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { FakeServer, oneKey } from "../client/fake-server.js";
import { endWithTests } from "../support/child-processes.js";
import { within } from "../support/deadline.js";
import { createCluster, startCluster } from "../support/minietcd-cluster.js";

const program = fileURLToPath(new URL("../../dist/cli/minietcdctl.js", import.meta.url));
const run = promisify(execFile);
const deadlineMs = 20_000;

/** Runs `minietcdctl watch` until it has printed `expected`. */
const watchUntil = async (words: readonly string[], expected: string, meanwhile: () => Promise<unknown>) => {
  const child = spawn(process.execPath, [program, ...words], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    let printed = "";
    const seen = new Promise<void>((resolve, reject) => {
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        printed += text;
        if (printed === expected) resolve();
      });
      child.once("exit", (code) => reject(new Error(`minietcdctl ended with ${code} after printing "${printed}"`)));
    });
    seen.catch(() => undefined); // awaited below
    await meanwhile();
    await within(deadlineMs, "the events", seen);
  } finally {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }
};

test("a watch without a dial timeout waits for its connection, and prints events", async () => {
  await using cluster = await startCluster({ members: 1 });
  await cluster.client.kv.put("k", "v");
  const words = ["--endpoints", cluster.member(0).endpoint, "--dial-timeout=0s", "watch", "k", "--rev=1"];
  await watchUntil(words, "PUT\nk\nv\n", () => Promise.resolve());
});

test("a watch without a dial timeout waits for a member that starts later", async () => {
  await using cluster = await createCluster({ members: 1 });
  const words = ["--endpoints", cluster.member(0).endpoint, "--dial-timeout=0s", "watch", "k", "--rev=1"];
  await watchUntil(words, "PUT\nk\nv\n", async () => {
    await cluster.start();
    await cluster.client.kv.put("k", "v");
  });
});

test("every command without its own time limit ends with its answer", async () => {
  await using cluster = await startCluster({ members: 1 });
  const { id } = await cluster.client.lease.grant({ ttlSeconds: 600 });
  const lease = id.toString(16);
  const commands = [
    ...["put k v", "get k", "del k", "compaction 2", "member list", "endpoint status", "endpoint health"],
    ...["endpoint hashkv", `lease timetolive ${lease}`, `lease keep-alive ${lease} --once`, `lease revoke ${lease}`],
    ...["lease list", "lease grant 60"],
  ];
  const limits = ["--dial-timeout=0s", "--command-timeout=2000000h", "--keepalive-time=0s", "--keepalive-timeout=0s"];
  for (const command of commands) {
    const words = [program, "--endpoints", cluster.member(0).endpoint, ...limits, ...command.split(" ")];
    await within(deadlineMs, command, run(process.execPath, words)); // rejects unless the exit code is 0
  }
});

const startProcess = (endpoint: string, words: readonly string[], stdout: StdioNull | StdioPipe | number) => {
  const { PATH, HOME } = process.env;
  const args = [program, "--endpoints", endpoint, ...words];
  return endWithTests(spawn(process.execPath, args, { env: { PATH, HOME }, stdio: ["ignore", stdout, "pipe"] }));
};

test("a closed standard output ends the program quietly", async () => {
  await using server = await FakeServer.start({ Range: oneKey("k", "x".repeat(1_000_000)) });
  const child = startProcess(server.endpoint, ["get", "k"], "pipe");
  child.stdout?.destroy();
  let stderr = "";
  child.stderr?.on("data", (text) => (stderr += String(text)));
  const [code] = (await once(child, "close")) as [number];
  assert.deepEqual([code, stderr], [141, ""]);
});

test("a closed standard error ends the program quietly", async () => {
  await using server = await FakeServer.start();
  const child = startProcess(server.endpoint, ["get", "k", "--debug"], "ignore"); // the command prints its settings to standard error
  child.stderr?.destroy();
  const [code] = (await once(child, "close")) as [number];
  assert.equal(code, 141);
});

test("output that cannot be written is reported in one line", async () => {
  await using server = await FakeServer.start({ Range: oneKey("k", "v") });
  const readOnly = await open(fileURLToPath(import.meta.url), "r");
  const child = startProcess(server.endpoint, ["get", "k"], readOnly.fd);
  await readOnly.close();
  let stderr = "";
  child.stderr?.on("data", (text) => (stderr += String(text)));
  const [code] = (await once(child, "close")) as [number];
  assert.equal(code, 1);
  assert.match(stderr, /^Error: cannot write to standard output: EBADF.*\n$/);
});

// `minietcd cluster` on disks that are too small or read-only, and logs on a disk that is full.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { endWithTests } from "../support/child-processes.js";
import { eventually } from "../support/deadline.js";
import { freePorts } from "../support/free-ports.js";
import { MinietcdProcess, minietcdProgram } from "../support/minietcd-process.js";
import { tempFolder } from "../support/temp-folder.js";
import { SmallDisk } from "./small-disk.js";
import { patientClient } from "../support/patient-client.js";

/** Long enough for a busy machine. */
const deadlineMs = 30_000;

const startLocalCluster = async (dataDir: string): Promise<MinietcdProcess> => {
  const ports = await freePorts(6);
  const flags = [`--client-ports=${ports.slice(0, 3).join(",")}`, `--peer-ports=${ports.slice(3).join(",")}`];
  return MinietcdProcess.start(["cluster", `--data-dir=${dataDir}`, ...flags]);
};

test("a local cluster on a disk that is too small reports that, and starts once there is space", async () => {
  await using disk = await SmallDisk.mount(40);
  await using supervisor = await startLocalCluster(disk.path);
  const pattern =
    /^\d\d:\d\d:\d\d m\d: no space for the write-ahead log: writes are refused until there is some, see .*\.log$/m;
  await supervisor.waitFor(
    "the line about the lack of space",
    ({ stderr }) => pattern.test(stderr) || undefined,
    deadlineMs,
  );
  await disk.growTo(1024);
  await supervisor.waitFor("the table", ({ stdout }) => stdout.includes("Ctrl-C stops") || undefined, deadlineMs);
  assert.deepEqual(await supervisor.end("SIGINT"), { code: 0, signal: null });
});

test("a local cluster on a read-only disk reports that in one line", async () => {
  await using disk = await SmallDisk.mount(40);
  await disk.makeReadOnly();
  for (const path of [disk.path, join(disk.path, "below")]) {
    await using supervisor = await startLocalCluster(path);
    assert.deepEqual(await supervisor.waitForExit(), { code: 1, signal: null });
    const reason = `cannot write to data directory ${path}: its file system is mounted read-only`;
    assert.match(supervisor.stderr, new RegExp(`^The cluster cannot start: ${reason}: .*EROFS.*\n$`));
  }
});

test("a member whose log file is on a full disk serves, and logs again once there is space", async () => {
  await using disk = await SmallDisk.mount(8);
  await using folder = await tempFolder();
  await disk.fillUpTo(0);
  const log = await open(join(disk.path, "member.log"), "a");
  const [client, peer] = ["client", "peer"].map((name) => `unix://${join(folder.path, name)}`) as [string, string];
  const flags = [
    ...[`--data-dir=${join(folder.path, "data")}`, `--listen-client-urls=${client}`, `--listen-peer-urls=${peer}`],
    ...[`--advertise-client-urls=${client}`, `--initial-advertise-peer-urls=${peer}`],
    `--initial-cluster=default=${peer}`,
  ];
  const member = endWithTests(
    spawn(process.execPath, [minietcdProgram, ...flags], { stdio: ["ignore", "ignore", log.fd] }),
  );
  const ended = once(member, "exit");
  await log.close();
  try {
    await using user = patientClient({ endpoints: [client] });
    await eventually(deadlineMs, "an answer", () => user.kv.put("k", "v"));
    await disk.removeBallast();
    member.kill("SIGTERM");
    assert.deepEqual(await ended, [null, "SIGTERM"]);
    assert.match(await readFile(join(disk.path, "member.log"), "utf8"), /"msg":"stopped"[^\n]*\n$/);
  } finally {
    member.kill("SIGKILL");
    await ended;
  }
});

// The stop of a member after a signal.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import test from "node:test";
import { EtcdError } from "../../client/index.js";
import { endWithTests } from "../support/child-processes.js";
import { within } from "../support/deadline.js";
import { startCluster } from "../support/minietcd-cluster.js";
import { minietcdProgram } from "../support/minietcd-process.js";
import { tempFolder } from "../support/temp-folder.js";

for (const signal of ["SIGTERM", "SIGINT"] as const)
  test(`${signal}: pending requests end, then the member dies by that signal and keeps acknowledged writes`, async () => {
    await using cluster = await startCluster({ members: 1 });
    const member = cluster.member(0);
    await cluster.client.kv.put("first", "v");
    const puts = Array.from({ length: 200 }, async (_, n) => {
      try {
        await cluster.client.kv.put(`k/${n}`, "v");
        return "acknowledged";
      } catch (error) {
        assert.ok(error instanceof EtcdError);
        return error.outcome;
      }
    });
    await puts[0]; // the others are at the server or in flight
    const exit = await member.kill(signal);
    assert.deepEqual(exit, { code: null, signal });
    const outcomes = await Promise.all(puts);
    assert.ok(member.running.log.some(({ msg }) => msg === "received signal; shutting down"));
    const last = member.running.log.at(-1);
    assert.deepEqual([last?.["msg"], last?.["signal"]], ["stopped", signal]);

    await cluster.start();
    for (const [n, outcome] of outcomes.entries()) {
      const value = await cluster.client.kv.getText(`k/${n}`);
      if (outcome === "acknowledged") assert.equal(value, "v", `k/${n}`);
      if (outcome === "failed") assert.equal(value, undefined, `k/${n}`);
    }
  });

test("a member whose supervisor ends before the member has started ends by itself", async () => {
  await using folder = await tempFolder();
  const [client, peer] = ["client", "peer"].map((name) => `unix://${join(folder.path, name)}`) as [string, string];
  const urls = { "listen-client-urls": client, "advertise-client-urls": client, "listen-peer-urls": peer };
  const flags = Object.entries({ ...urls, "initial-advertise-peer-urls": peer }).map(
    ([flag, url]) => `--${flag}=${url}`,
  );
  const args = [
    minietcdProgram,
    `--data-dir=${join(folder.path, "data")}`,
    `--initial-cluster=default=${peer}`,
    ...flags,
  ];
  const member = endWithTests(spawn(process.execPath, args, { stdio: ["ignore", "ignore", "ignore", "ipc"] }));
  const ended = once(member, "exit");
  try {
    member.disconnect();
    assert.deepEqual(await within(20_000, "the end of the member", ended), [0, null]);
  } finally {
    member.kill("SIGKILL");
    await ended;
  }
});

test("a second start finds nothing to repair after an orderly stop", async () => {
  await using cluster = await startCluster({ members: 1 });
  for (let n = 0; n < 50; n++) await cluster.client.kv.put(`k/${n}`, "v");
  const member = cluster.member(0);
  await member.kill("SIGTERM");
  await cluster.start();
  const taking = member.running.log.find(({ msg }) => msg === "starting local member");
  assert.equal(taking?.["applied"], taking?.["lastIndex"], "the store held everything at the stop");
  assert.equal(member.running.log.find(({ level }) => level !== "info")?.["msg"], undefined);
});

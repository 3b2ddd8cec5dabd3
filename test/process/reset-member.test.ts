// `minietcd cluster --reset-member`: a member that lost its data gets a copy of the others', and no acknowledged write is lost.

import assert from "node:assert/strict";
import { once } from "node:events";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { cp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import test from "node:test";
import type { Client } from "../../client/index.js";
import { endWithTests } from "../support/child-processes.js";
import { eventually } from "../support/deadline.js";
import { MinietcdProcess } from "../support/minietcd-process.js";
import {
  announcement,
  clientOf,
  readMissingMembers,
  runPasted,
  type Ports,
  sixPorts,
  startLocalCluster,
  prepareCluster,
} from "../support/local-cluster.js";
import { tempFolder } from "../support/temp-folder.js";

const longEnoughMs = 20_000;

/** Flips a bit in the first record of a member's log. */
const damageLog = async (cwd: string, name: string): Promise<void> => {
  const wal = join(cwd, "data", name, "member", "wal");
  const [segment = ""] = (await readdir(wal)).filter((each) => each.endsWith(".wal")).sort();
  const file = await open(join(wal, segment), "r+");
  try {
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, 600);
    await file.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, 600);
  } finally {
    await file.close();
  }
};

const flagsOf = ({ clients, peers }: Ports): string[] => [
  `--client-ports=${clients.join(",")}`,
  `--peer-ports=${peers.join(",")}`,
];

const reset = (cwd: string, ports: Ports, name: string): MinietcdProcess =>
  MinietcdProcess.start(["cluster", ...flagsOf(ports), "--reset-member", name], { cwd });

/** Checks that the command is refused: the exit code is 1, and standard error one line. Returns that line. */
const assertRefused = async (cwd: string, ports: Ports, name: string): Promise<string> => {
  await using supervisor = reset(cwd, ports, name);
  assert.deepEqual(await supervisor.waitForExit(), { code: 1, signal: null });
  assert.match(supervisor.stderr, /^The cluster cannot start: cannot reset m\d: .*\n$/);
  return supervisor.stderr;
};

const values = async (client: Client, count: number): Promise<string[]> => {
  const { kvs } = await client.kv.get("k/", { prefix: true, limit: count });
  return kvs.map(({ value }) => new TextDecoder().decode(value));
};

test("a member with a damaged log is named with the command that rebuilds it; after the rebuild all members are equal, and no write is lost", async () => {
  await using folder = await tempFolder();
  const ports = await sixPorts();
  const count = 60;
  {
    await using supervisor = startLocalCluster(folder.path, ports);
    const { rows } = await announcement(supervisor);
    await using client = clientOf(rows);
    for (let n = 0; n < count; n++) await client.kv.put(`k/${String(n).padStart(3, "0")}`, `v${n}`);
    await supervisor.end("SIGINT");
  }
  await damageLog(folder.path, "m2");
  let command: string;
  {
    await using supervisor = startLocalCluster(folder.path, ports);
    const { rows } = await announcement(supervisor);
    const reported = await readMissingMembers(supervisor, /^2 of 3 members run, which is a quorum/m);
    assert.match(supervisor.stderr, /^m2 cannot start: data directory .*m2 is damaged: /m);
    command = reported.reset ?? "";
    await using client = clientOf(rows);
    await client.kv.put("k/while", "m2 was away");
    await assert.rejects(runPasted(command, folder.path), ({ code, stderr }: { code: number; stderr: string }) => {
      assert.equal(code, 1);
      return stderr.includes("data is in use by another process: stop it");
    });
    await supervisor.end("SIGINT");
  }
  await using again = MinietcdProcess.start(command.split(" ").slice(2), { cwd: folder.path });
  const { rows } = await announcement(again);
  assert.match(again.stdout, /^m2 has the data of data\/m[13] now, up to entry \d+ of the log\.$/m);
  assert.match(again.stdout, /^Its former files are in data\/m2\.damaged-1: remove them when you like\.$/m);
  assert.deepEqual(
    rows.map(({ name }) => name),
    ["m1", "m2", "m3"],
  );
  const hashes = await eventually(longEnoughMs, "equal members", async () => {
    const each = await Promise.all(
      rows.map(async ({ clients }) => {
        await using one = clientOf(rows.filter((row) => row.clients === clients));
        const written = [...Array.from({ length: count }, (_, n) => `v${n}`), "m2 was away"];
        assert.deepEqual(await values(one, count + 1), written);
        return (await one.maintenance.hashKv(clients)).hash;
      }),
    );
    return new Set(each).size === 1 ? each : undefined;
  });
  assert.equal(hashes.length, 3);
  // The rebuilt member is a voter: it and one other member are a quorum.
  process.kill(rows[0]!.pid, "SIGKILL");
  await using rest = clientOf(rows.slice(1));
  await rest.kv.put("k/zz", "with m2");
  await again.end("SIGINT");
});

test("an emptied directory is rebuilt, twice, and the member is not refused as stale", async () => {
  await using folder = await tempFolder();
  const ports = await prepareCluster(folder.path);
  for (let round = 1; round <= 2; round++) {
    await rm(join(folder.path, "data", "m3"), { recursive: true });
    {
      // The others see the emptied directory, and fence the member.
      await using supervisor = startLocalCluster(folder.path, ports);
      await announcement(supervisor);
      assert.match(supervisor.stderr, /^m3 cannot start: stale data directory/m);
      await supervisor.end("SIGINT");
    }
    await using supervisor = reset(folder.path, ports, "m3");
    const { rows } = await announcement(supervisor);
    await using alone = clientOf(rows.filter(({ name }) => name === "m3"));
    assert.equal(await alone.kv.getText("k"), "v");
    assert.equal(supervisor.stderr, "");
    await supervisor.end("SIGINT");
  }
});

test("a reset is refused, and changes nothing, if another member runs, is damaged, emptied, or an older copy", async () => {
  await using folder = await tempFolder();
  const ports = await prepareCluster(folder.path);
  const data = (...names: string[]): string => join(folder.path, "data", ...names);
  await cp(data("m3"), join(folder.path, "old"), { recursive: true });
  {
    await using supervisor = startLocalCluster(folder.path, ports);
    await announcement(supervisor);
    await supervisor.end("SIGINT");
  }
  await cp(data("m3"), join(folder.path, "whole"), { recursive: true });
  const logBefore = await readdir(data("m2", "member", "wal"));

  await damageLog(folder.path, "m3");
  assert.match(await assertRefused(folder.path, ports, "m2"), /data\/m3 is damaged, too: wal: /);
  const putBack = async (copy: string): Promise<void> => {
    await rm(data("m3"), { recursive: true, force: true });
    await cp(join(folder.path, copy), data("m3"), { recursive: true });
  };
  await putBack("old");
  assert.match(
    await assertRefused(folder.path, ports, "m2"),
    /data\/m3 is stale: started once, another member has seen 2 starts/,
  );
  await rm(data("m3"), { recursive: true });
  assert.match(await assertRefused(folder.path, ports, "m2"), /data\/m3 holds no member's data/);
  await putBack("whole");

  // One member runs, started without the supervisor.
  const { starts } = await (async () => {
    await writeFile(data("m3", "member", "format.json"), "x");
    await using supervisor = startLocalCluster(folder.path, ports);
    const reported = await readMissingMembers(supervisor, /^2 of 3 members run/m);
    await supervisor.end("SIGINT");
    return reported;
  })();
  await putBack("whole");
  const started = endWithTests(
    spawn("sh", ["-c", `exec ${starts[0] ?? ""}`], { cwd: folder.path, stdio: ["ignore", "pipe", "pipe"] }),
  );
  const ended = once(started, "exit");
  try {
    await waitUntilStarted(started); // otherwise the reset might lock the directory first, and the member would end
    assert.match(await assertRefused(folder.path, ports, "m2"), /data\/m3 is in use by another process/);
  } finally {
    started.kill("SIGKILL");
    await ended;
  }
  assert.deepEqual(await readdir(data("m2", "member", "wal")), logBefore);
  assert.deepEqual(
    (await readdir(data())).filter((name) => name.includes("damaged")),
    [],
  );
});

/** Waits until a member has locked its directory, or has ended. */
const waitUntilStarted = async ({ stderr }: ChildProcessByStdio<null, Readable, Readable>): Promise<void> => {
  for await (const line of createInterface({ input: stderr })) if (line.includes('"starting local member"')) return;
};

test("a reset that was interrupted is named by the next start, and repeated", async () => {
  await using folder = await tempFolder();
  const ports = await prepareCluster(folder.path);
  const member = join(folder.path, "data", "m2", "member");
  await writeFile(join(member, "rebuild"), "building m2.damaged-1\n");
  {
    await using supervisor = startLocalCluster(folder.path, ports);
    await announcement(supervisor);
    assert.match(supervisor.stderr, /^m2 cannot start: the rebuild of data directory .* was interrupted: repeat it$/m);
    await supervisor.end("SIGINT");
  }
  await using supervisor = reset(folder.path, ports, "m2");
  const { rows } = await announcement(supervisor);
  assert.equal(rows.length, 3);
  await using alone = clientOf(rows.filter(({ name }) => name === "m2"));
  assert.equal(await alone.kv.getText("k"), "v");
  await supervisor.end("SIGINT");
  assert.deepEqual((await readdir(member)).includes("rebuild"), false);
  assert.match(await readFile(join(member, "format.json"), "utf8"), /"formatVersion":1/);
});

test("a reset of an unknown member, or in a cluster of one, is refused", async () => {
  await using folder = await tempFolder();
  for (const [flags, code, reason] of [
    [["--reset-member=m4"], 2, /no member is named m4, only m1, m2, m3/],
    [["--reset-member=m2", "--fresh"], 2, /--fresh removes the data of all members/],
    [["--client-ports=1", "--peer-ports=2", "--reset-member=m1"], 1, /the cluster has one member only/],
  ] as const) {
    await using supervisor = MinietcdProcess.start(["cluster", ...flags], { cwd: folder.path });
    assert.equal((await supervisor.waitForExit()).code, code);
    assert.match(supervisor.stderr, reason);
  }
});

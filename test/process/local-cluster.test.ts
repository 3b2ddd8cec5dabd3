// `minietcd cluster`, as a developer uses it: what it prints, and what the signals of a terminal do.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";
import { type Client, EtcdError } from "../../client/index.js";
import { endPidWithTests, endWithTests } from "../support/child-processes.js";
import { eventually } from "../support/deadline.js";
import { freePorts } from "../support/free-ports.js";
import { MinietcdProcess } from "../support/minietcd-process.js";
import { tempFolder } from "../support/temp-folder.js";
import { scaledMs } from "../support/machine-speed.js";
import { patientClient } from "../support/patient-client.js";

const run = promisify(execFile);
const longEnoughMs = 20_000;

interface Row {
  readonly name: string;
  readonly clients: string;
  readonly pid: number;
  readonly role: string;
}

/** What `minietcd cluster` prints once it runs. */
interface Announcement {
  readonly rows: readonly Row[];
  readonly examples: readonly string[];
}

interface Ports {
  readonly clients: readonly number[];
  readonly peers: readonly number[];
}

const sixPorts = async (): Promise<Ports> => {
  const ports = await freePorts(6);
  return { clients: ports.slice(0, 3), peers: ports.slice(3) };
};

const startLocalCluster = (cwd: string, { clients, peers }: Ports): MinietcdProcess =>
  MinietcdProcess.start(["cluster", `--client-ports=${clients.join(",")}`, `--peer-ports=${peers.join(",")}`], { cwd });

const announcement = (supervisor: MinietcdProcess): Promise<Announcement> =>
  supervisor.until("the cluster runs", ({ stdout }) => {
    if (!stdout.includes("Ctrl-C stops the cluster")) return undefined;
    const rows = [...stdout.matchAll(/^(m\d) +[0-9a-f]+ +(\S+) +\S+ +(\d+) +(leader|follower)$/gm)].map(
      ([, name = "", clients = "", pid, role = ""]) => ({ name, clients, pid: Number(pid), role }),
    );
    const examples = [...stdout.matchAll(/^ {2}(node .*minietcdctl.*)$/gm)].map(([, command = ""]) => command);
    return { rows, examples };
  });

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const untilGone = (pids: readonly number[]): Promise<boolean> =>
  eventually(longEnoughMs, "the end of all members", () => (pids.some(isAlive) ? undefined : true));

const clientOf = (rows: readonly Row[]): Client => patientClient({ endpoints: rows.map(({ clients }) => clients) });

test("the table shows the members and who leads, and the examples work as pasted", async () => {
  await using folder = await tempFolder();
  const ports = await sixPorts();
  await using supervisor = startLocalCluster(folder.path, ports);
  const { rows, examples } = await announcement(supervisor);
  assert.deepEqual(
    rows.map(({ name, clients }) => ({ name, clients })),
    ports.clients.map((port, n) => ({ name: `m${n + 1}`, clients: `http://127.0.0.1:${port}` })),
  );
  assert.equal(rows.filter(({ role }) => role === "leader").length, 1);
  const outputs = [];
  for (const example of examples) outputs.push((await run("sh", ["-c", example], { cwd: folder.path })).stdout);
  assert.equal(outputs[0], "OK\n");
  assert.equal(outputs[1], "greeting\nhello\n");
  assert.ok(outputs.length >= 3);
});

test("Ctrl-C stops the members in order, and a second start continues with the data", async () => {
  await using folder = await tempFolder();
  const ports = await sixPorts();
  await using first = startLocalCluster(folder.path, ports);
  const { rows } = await announcement(first);
  await using client = clientOf(rows);
  const { header } = await client.kv.put("k", "v");
  assert.deepEqual(await first.end("SIGINT"), { code: 0, signal: null });
  assert.deepEqual(
    rows.map(({ pid }) => isAlive(pid)),
    [false, false, false],
  );
  for (const { name } of rows) {
    const log = await readFile(join(folder.path, "data", `${name}.log`), "utf8");
    assert.match(log, /received signal; shutting down/);
    assert.doesNotMatch(log, /"level":"(error|fatal)"/);
  }

  await using second = startLocalCluster(folder.path, ports);
  await announcement(second);
  const { kvs } = await client.kv.get("k", { timeoutMs: scaledMs(longEnoughMs) });
  assert.equal(kvs[0]?.modRevision, header.revision);
  assert.deepEqual(await second.end("SIGTERM"), { code: 0, signal: null });
});

test("Ctrl-C: no write that had begun is left in doubt", async () => {
  await using folder = await tempFolder();
  await using supervisor = startLocalCluster(folder.path, await sixPorts());
  const { rows } = await announcement(supervisor);
  let count = 0;
  const writers = rows.flatMap(({ name, clients }) =>
    Array.from({ length: 3 }, async (_, writer) => {
      await using client = patientClient({ endpoints: [clients], dialTimeoutMs: 500 });
      for (let n = 0; ; n++) {
        try {
          await client.kv.put(`${name}/${writer}/${n}`, "v");
          count++;
        } catch (error) {
          return error;
        }
      }
    }),
  );
  await eventually(longEnoughMs, "writes", () => (count > 100 ? true : undefined));
  await supervisor.end("SIGINT");
  for (const error of await Promise.all(writers)) {
    assert.ok(error instanceof EtcdError);
    assert.deepEqual([error.code, error.outcome], ["unavailable", "failed"]);
  }
});

test("the loss of the leader is told, and the command that is printed starts it again", async () => {
  await using folder = await tempFolder();
  await using supervisor = startLocalCluster(folder.path, await sixPorts());
  const { rows } = await announcement(supervisor);
  await using client = clientOf(rows);
  await client.kv.put("k", "v");
  const leader = rows.find(({ role }) => role === "leader")!;
  process.kill(leader.pid, "SIGKILL");
  const command = await supervisor.until("the end of the leader is told", ({ stdout }) => {
    const told = new RegExp(`^\\d\\d:\\d\\d:\\d\\d ${leader.name} has ended: SIGKILL\\..*\\n {2}(node .*)$`, "m");
    return told.exec(stdout)?.[1];
  });
  await supervisor.until("the new leader is told", ({ stdout }) =>
    /^\d\d:\d\d:\d\d leader is now m\d \(term \d+\)$/m.exec(stdout) === null ? undefined : true,
  );

  const restarted = endWithTests(spawn("sh", ["-c", `exec ${command}`], { cwd: folder.path, stdio: "ignore" }));
  const ended = once(restarted, "exit");
  try {
    await using alone = patientClient({ endpoints: [leader.clients] });
    const value = await eventually(longEnoughMs, "the restarted member to answer", () => alone.kv.getText("k"));
    assert.equal(value, "v");
    assert.deepEqual(await supervisor.end("SIGINT"), { code: 0, signal: null });
  } finally {
    restarted.kill("SIGKILL");
    await ended;
  }
});

test("a second Ctrl-C kills members that do not stop", async () => {
  await using folder = await tempFolder();
  await using supervisor = startLocalCluster(folder.path, await sixPorts());
  const { rows } = await announcement(supervisor);
  const pids = rows.map(({ pid }) => pid);
  const forget = pids.map(endPidWithTests); // a frozen member does not notice that its supervisor is gone
  try {
    for (const pid of pids) process.kill(pid, "SIGSTOP"); // they cannot react
    supervisor.signal("SIGINT");
    await supervisor.until("the first is taken", ({ stdout }) => (stdout.includes("Stopping") ? true : undefined));
    supervisor.signal("SIGINT");
    await untilGone(pids);
    await supervisor.waitForExit();
  } finally {
    for (const pid of pids.filter(isAlive)) process.kill(pid, "SIGKILL");
    for (const ended of forget) ended();
  }
});

test("the members end when the supervisor is killed", async () => {
  await using folder = await tempFolder();
  await using supervisor = startLocalCluster(folder.path, await sixPorts());
  const { rows } = await announcement(supervisor);
  await supervisor.end("SIGKILL");
  await untilGone(rows.map(({ pid }) => pid));
});

test("a port in use: one line that names it, exit code 1, and no member stays behind", async () => {
  await using folder = await tempFolder();
  const ports = await sixPorts();
  const other = createServer().listen(ports.clients[1], "127.0.0.1");
  await once(other, "listening");
  try {
    await using supervisor = startLocalCluster(folder.path, ports);
    assert.deepEqual(await supervisor.waitForExit(), { code: 1, signal: null });
    assert.equal(
      supervisor.stderr,
      `m2 cannot start: listen 127.0.0.1:${ports.clients[1]}: bind: address already in use: ` +
        "stop what uses it, or choose another URL\n",
    );
  } finally {
    other.close();
  }
});

test("ports that do not match are refused before anything is started", async () => {
  await using folder = await tempFolder();
  for (const flags of [["--client-ports=1,2", "--peer-ports=3"], ["--client-ports=x"], ["--bogus"]]) {
    await using supervisor = MinietcdProcess.start(["cluster", ...flags], { cwd: folder.path });
    const { code } = await supervisor.waitForExit();
    assert.equal(code, 2, flags.join(" "));
    assert.equal(supervisor.stdout, "");
  }
});

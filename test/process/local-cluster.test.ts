// `minietcd cluster` as a developer uses it: its output, and the signals of a terminal.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";
import { EtcdError } from "../../client/index.js";
import { endPidWithTests, endWithTests } from "../support/child-processes.js";
import { eventually } from "../support/deadline.js";
import { MinietcdProcess } from "../support/minietcd-process.js";
import {
  announcement,
  clientOf,
  readMissingMembers,
  runPasted,
  sixPorts,
  startLocalCluster,
  prepareCluster,
} from "../support/local-cluster.js";
import { tempFolder } from "../support/temp-folder.js";
import { scaleMs } from "../support/machine-speed.js";
import { patientClient, patientVariables } from "../support/patient-client.js";

const run = promisify(execFile);
const longEnoughMs = 20_000;

/** Returns the environment for commands that are run as pasted, with timeouts for slow machines. */
const environmentForPasted = (): NodeJS.ProcessEnv => ({ ...process.env, ...patientVariables() });

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const waitUntilGone = (pids: readonly number[]): Promise<boolean> =>
  eventually(longEnoughMs, "the end of all members", () => (pids.some(isAlive) ? undefined : true));

test("the table shows the members and the leader, and the examples work as pasted", async () => {
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
  for (const example of examples)
    outputs.push((await run("sh", ["-c", example], { cwd: folder.path, env: environmentForPasted() })).stdout);
  assert.equal(outputs[0], "OK\n");
  assert.equal(outputs[1], "greeting\nhello\n");
  assert.ok(outputs.length >= 3);
});

test("--auto-tls: clients are served over TLS, the examples work as pasted, and the certificate stays", async () => {
  await using folder = await tempFolder();
  const ports = await sixPorts();
  const certificate = join(folder.path, "data", "tls", "cert.pem");
  const readOnce = async (): Promise<string> => {
    await using supervisor = startLocalCluster(folder.path, ports, ["--auto-tls"]);
    const { rows, examples } = await announcement(supervisor);
    assert.deepEqual(
      rows.map(({ clients }) => clients),
      ports.clients.map((port) => `https://127.0.0.1:${port}`),
    );
    const [put = "", get = ""] = examples;
    assert.equal((await run("sh", ["-c", put], { cwd: folder.path, env: environmentForPasted() })).stdout, "OK\n");
    assert.equal(
      (await run("sh", ["-c", get], { cwd: folder.path, env: environmentForPasted() })).stdout,
      "greeting\nhello\n",
    );
    await using client = patientClient({
      endpoints: rows.map(({ clients }) => clients),
      tls: { ca: readFileSync(certificate) },
    });
    assert.equal(await client.kv.getText("greeting"), "hello");
    supervisor.signal("SIGINT");
    await supervisor.waitForExit();
    return readFileSync(certificate, "utf8");
  };
  assert.equal(await readOnce(), await readOnce());
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
    assert.match(log, /"msg":"stopped","signal":"SIGTERM"\}\n$/);
  }

  await using second = startLocalCluster(folder.path, ports);
  await announcement(second);
  const { kvs } = await client.kv.get("k", { timeoutMs: scaleMs(longEnoughMs) });
  assert.equal(kvs[0]?.modRevision, header.revision);
  assert.deepEqual(await second.end("SIGTERM"), { code: 0, signal: null });
});

test("a cluster in memory serves after the loss of a member, says that it cannot be restarted, and leaves log files alone", async () => {
  await using folder = await tempFolder();
  await using supervisor = startLocalCluster(folder.path, await sixPorts(), ["--memory"]);
  const { rows } = await announcement(supervisor);
  await using client = clientOf(rows);
  await client.kv.put("k", "v");
  const [victim] = rows;
  assert.ok(victim !== undefined);
  process.kill(victim.pid, "SIGKILL");
  await supervisor.waitFor("the end of a member", ({ stdout }) =>
    /m1 has ended: .*\. A member with data in memory cannot be restarted/.test(stdout) ? true : undefined,
  );
  assert.equal(await client.kv.getText("k", { timeoutMs: scaleMs(longEnoughMs) }), "v");
  assert.deepEqual(await supervisor.end("SIGTERM"), { code: 0, signal: null });
  const files = await readdir(join(folder.path, "data"));
  assert.deepEqual(files.filter((name) => !name.startsWith(".") && name !== "lock").sort(), [
    "m1.log",
    "m2.log",
    "m3.log",
  ]);
});

test("Ctrl-C leaves no pending write with an unknown outcome", async () => {
  await using folder = await tempFolder();
  await using supervisor = startLocalCluster(folder.path, await sixPorts());
  const { rows } = await announcement(supervisor);
  let count = 0;
  const writers = rows.flatMap(({ name, clients }) =>
    Array.from({ length: 3 }, async (_, writer) => {
      await using client = patientClient({ endpoints: [clients] });
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

test("minietcd cluster reports the loss of the leader, and the printed command starts it again", async () => {
  await using folder = await tempFolder();
  await using supervisor = startLocalCluster(folder.path, await sixPorts());
  const { rows } = await announcement(supervisor);
  await using client = clientOf(rows);
  await client.kv.put("k", "v");
  const leader = rows.find(({ role }) => role === "leader")!;
  process.kill(leader.pid, "SIGKILL");
  const command = await supervisor.waitFor("the line about the end of the leader", ({ stdout }) => {
    const pattern = new RegExp(`^\\d\\d:\\d\\d:\\d\\d ${leader.name} has ended: SIGKILL\\..*\\n {2}(node .*)$`, "m");
    return pattern.exec(stdout)?.[1];
  });
  await supervisor.waitFor("the line about the new leader", ({ stdout }) =>
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
  const forget = pids.map(endPidWithTests); // a frozen member does not notice the end of its supervisor
  try {
    for (const pid of pids) process.kill(pid, "SIGSTOP"); // frozen members do not react
    supervisor.signal("SIGINT");
    await supervisor.waitFor("the first is taken", ({ stdout }) => (stdout.includes("Stopping") ? true : undefined));
    supervisor.signal("SIGINT");
    await waitUntilGone(pids);
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
  await waitUntilGone(rows.map(({ pid }) => pid));
});

test("a member whose port is in use is named, the others serve, and the printed command starts it later", async () => {
  await using folder = await tempFolder();
  const ports = await sixPorts();
  const other = createServer().listen(ports.clients[1], "127.0.0.1");
  await once(other, "listening");
  await using supervisor = startLocalCluster(folder.path, ports);
  const { rows } = await announcement(supervisor);
  const { starts } = await readMissingMembers(supervisor, /^2 of 3 members run, which is a quorum/m);
  assert.deepEqual(
    rows.map(({ name }) => name),
    ["m1", "m3"],
  );
  assert.equal(
    supervisor.stderr,
    `m2 cannot start: listen 127.0.0.1:${ports.clients[1]}: bind: address already in use: ` +
      "stop what uses it, or choose another URL\n",
  );
  await using client = clientOf(rows);
  await client.kv.put("k", "v");
  other.close();
  await once(other, "close");
  const started = endWithTests(spawn("sh", ["-c", `exec ${starts[0] ?? ""}`], { cwd: folder.path, stdio: "ignore" }));
  const ended = once(started, "exit");
  try {
    await using alone = patientClient({ endpoints: [`127.0.0.1:${ports.clients[1]}`] });
    assert.equal(await eventually(longEnoughMs, "the member to answer", () => alone.kv.getText("k")), "v");
    await supervisor.end("SIGINT");
    assert.match(supervisor.stdout, /^Stopped\. m2, started by hand, still runs\.$/m);
  } finally {
    started.kill("SIGKILL");
    await ended;
  }
});

test("the others serve when a member's directory was emptied, and --fresh starts an empty cluster", async () => {
  await using folder = await tempFolder();
  const ports = await prepareCluster(folder.path);
  await rm(join(folder.path, "data", "m2"), { recursive: true });
  let fresh: string;
  {
    await using supervisor = startLocalCluster(folder.path, ports);
    const { rows } = await announcement(supervisor);
    const reported = await readMissingMembers(supervisor, /^2 of 3 members run, which is a quorum/m);
    fresh = reported.fresh;
    assert.match(supervisor.stderr, /^m2 cannot start: stale data directory: .*$/m);
    await using client = clientOf(rows);
    assert.equal(await client.kv.getText("k"), "v");
    // The printed command is refused while the cluster runs, and changes no file.
    await assert.rejects(runPasted(fresh, folder.path), ({ code, stderr }: { code: number; stderr: string }) => {
      assert.equal(code, 1);
      assert.equal(
        stderr,
        "The cluster cannot start: data is in use by another process: stop it, or choose another --data-dir\n",
      );
      return true;
    });
    assert.equal(await client.kv.getText("k"), "v");
    await supervisor.end("SIGINT");
    const checked = runPasted(reported.checks[0] ?? "", folder.path);
    await assert.rejects(checked, ({ code, stdout }: { code: number; stdout: string }) => {
      assert.equal(code, 1);
      return /^WRONG {2}peers: fenced by a peer/m.test(stdout);
    });
  }
  await using again = MinietcdProcess.start(fresh.split(" ").slice(2), { cwd: folder.path });
  const { rows } = await announcement(again);
  await using client = clientOf(rows);
  assert.equal(await client.kv.getText("k"), undefined);
  assert.equal(rows.length, 3);
  await again.end("SIGINT");
});

test("minietcd cluster reports two damaged members of three; the third serves once one is repaired", async () => {
  await using folder = await tempFolder();
  const ports = await prepareCluster(folder.path);
  const formats = ["m2", "m3"].map((name) => join(folder.path, "data", name, "member", "format.json"));
  const whole = await Promise.all(formats.map((path) => readFile(path)));
  for (const path of formats) await writeFile(path, "x");
  await using supervisor = startLocalCluster(folder.path, ports);
  const { starts, checks } = await readMissingMembers(supervisor, /^1 of 3 members runs, but a quorum needs 2\./m);
  assert.deepEqual([starts.length, checks.length], [2, 2]);
  assert.match(supervisor.stderr, /^m2 cannot start: .*format\.json is damaged/m);
  assert.match(supervisor.stderr, /^m3 cannot start: .*format\.json is damaged/m);
  await writeFile(formats[0]!, whole[0]!);
  const started = endWithTests(spawn("sh", ["-c", `exec ${starts[0] ?? ""}`], { cwd: folder.path, stdio: "ignore" }));
  const ended = once(started, "exit");
  try {
    const { rows } = await announcement(supervisor);
    assert.deepEqual(
      rows.map(({ name }) => name),
      ["m1"],
    );
    await using client = clientOf(rows);
    assert.equal(await client.kv.getText("k"), "v");
    process.kill(rows[0]!.pid, "SIGKILL");
    assert.deepEqual(await supervisor.waitForExit(), { code: 1, signal: null });
    assert.match(
      supervisor.stdout,
      /^All members that were started here have ended; m2, started by hand, still runs\.$/m,
    );
  } finally {
    started.kill("SIGKILL");
    await ended;
  }
});

test("a second cluster on the same folder is refused, and changes nothing there", async () => {
  await using folder = await tempFolder();
  await using first = startLocalCluster(folder.path, await sixPorts());
  await announcement(first);
  const logs = () => Promise.all([1, 2, 3].map((n) => readFile(join(folder.path, "data", `m${n}.log`), "utf8")));
  const before = await logs();
  await using second = startLocalCluster(folder.path, await sixPorts());
  assert.deepEqual(await second.waitForExit(), { code: 1, signal: null });
  const reason = "data is in use by another process: stop it, or choose another --data-dir";
  assert.deepEqual([second.stdout, second.stderr], ["", `The cluster cannot start: ${reason}\n`]);
  assert.deepEqual(await logs(), before);
});

test("a folder that cannot be used is reported in one line", async () => {
  await using folder = await tempFolder();
  await writeFile(join(folder.path, "file"), "");
  await symlink("nowhere", join(folder.path, "dangling"));
  await mkdir(join(folder.path, "taken", "m2.log"), { recursive: true });
  for (const [dataDir, reason] of [
    ["file", /^cannot use data directory file: choose another --data-dir: ENOTDIR/],
    ["file/below", /^cannot use data directory file\/below: choose another --data-dir: ENOTDIR/],
    ["dangling", /^cannot use data directory dangling: choose another/],
    ["taken", /^EISDIR: .*m2\.log'$/],
  ] as const) {
    await using supervisor = MinietcdProcess.start(["cluster", `--data-dir=${dataDir}`], { cwd: folder.path });
    assert.deepEqual(await supervisor.waitForExit(), { code: 1, signal: null });
    assert.match(supervisor.stderr, /^The cluster cannot start: .*\n$/);
    assert.match(supervisor.stderr.slice("The cluster cannot start: ".length).trim(), reason);
  }
});

test("peer ports other than those of the data are refused with the remedies; other client ports are not", async () => {
  await using folder = await tempFolder();
  const ports = await sixPorts();
  {
    await using first = startLocalCluster(folder.path, ports);
    await announcement(first);
    first.signal("SIGINT");
    assert.deepEqual(await first.waitForExit(), { code: 0, signal: null });
  }
  const others = await sixPorts();
  await using moved = startLocalCluster(folder.path, others);
  assert.deepEqual(await moved.waitForExit(), { code: 1, signal: null });
  const [, name, url] =
    /^The cluster in data\/ was started with other --peer-ports, .*: (m\d) has (\S+), not \d+\.$/m.exec(moved.stderr)!;
  assert.equal(url, `http://127.0.0.1:${ports.peers[Number(name!.slice(1)) - 1]}`);
  assert.match(moved.stderr, /--fresh\nor another --data-dir\.$/m);
  await using second = startLocalCluster(folder.path, { clients: others.clients, peers: ports.peers });
  await announcement(second);
});

test("npm start: a signal to npm stops the cluster", async () => {
  await using folder = await tempFolder();
  const { clients, peers } = await sixPorts();
  const flags = [`--client-ports=${clients.join(",")}`, `--peer-ports=${peers.join(",")}`];
  const npm = endWithTests(
    spawn("npm", ["start", "--", `--data-dir=${folder.path}`, ...flags], {
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );
  const ended = once(npm, "exit");
  let stdout = "";
  npm.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  const pids = await eventually(longEnoughMs, "the cluster", () => {
    if (!stdout.includes("Ctrl-C stops the cluster")) return undefined;
    return [...stdout.matchAll(/ (\d+) +(?:leader|follower)$/gm)].map(([, pid]) => Number(pid));
  });
  const forget = pids.map((pid) => endPidWithTests(pid));
  try {
    assert.equal(pids.length, 3);
    npm.kill("SIGTERM");
    await ended;
    await waitUntilGone(pids);
    await eventually(longEnoughMs, "the last words", () => (stdout.includes("Stopped.") ? true : undefined));
  } finally {
    for (const pid of pids.filter(isAlive)) process.kill(pid, "SIGKILL");
    for (const each of forget) each();
  }
});

test("contradicting flags and stray arguments are refused before a member is started", async () => {
  await using folder = await tempFolder();
  for (const flags of [
    ["--client-ports=1,2", "--peer-ports=3"],
    ["--client-ports=x"],
    ["--client-ports=1,1", "--peer-ports=2,3"],
    ["--bogus"],
    ["stray"],
    ["--data-dir="],
    ["--memory", "--fresh"],
    ["--memory", "--reset-member=m1"],
  ]) {
    await using supervisor = MinietcdProcess.start(["cluster", ...flags], { cwd: folder.path });
    const { code } = await supervisor.waitForExit();
    assert.equal(code, 2, flags.join(" "));
    assert.equal(supervisor.stdout, "");
  }
});

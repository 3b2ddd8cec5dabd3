// A warm-up leaves nothing behind: no key, revision, request in the metrics, port or file.

import assert from "node:assert/strict";
import { readdir, readlink } from "node:fs/promises";
import { get } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import test from "node:test";
import { MinietcdProcess } from "../support/minietcd-process.js";
import { patientClient } from "../support/patient-client.js";
import { eventually } from "../support/deadline.js";
import { tempFolder } from "../support/temp-folder.js";

/** Starts a member with all its sockets in a folder. */
const startMember = async (folder: string, flags: readonly string[]): Promise<MinietcdProcess> => {
  const [client, peer] = [`unix://${folder}/client`, `unix://${folder}/peer`];
  const member = MinietcdProcess.start(
    [
      ...flags,
      "--log-level=debug",
      ...[`--listen-client-urls=${client}`, `--advertise-client-urls=${client}`, `--listen-peer-urls=${peer}`],
      ...[`--initial-advertise-peer-urls=${peer}`, `--initial-cluster=default=${peer}`],
    ],
    { cwd: folder },
  );
  await member.waitFor("ready", ({ log }) => log.find(({ msg }) => msg === "ready to serve client requests"));
  return member;
};

/** Fetches the metrics of a member. */
const metricsOf = (folder: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const request = get({ socketPath: join(folder, "client"), path: "/metrics", agent: false }, (response) =>
      resolve(text(response)),
    );
    request.on("error", reject);
  });

/** Returns the sum of all samples of a metric. */
const sumOf = (metrics: string, name: string): number => {
  const values = [...metrics.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "gm"))].map(([, value]) =>
    Number(value),
  );
  assert.ok(values.length > 0, name);
  return values.reduce((sum, value) => sum + value, 0);
};

/** Returns the number of open sockets of a process, on Linux. */
const socketsOf = async (pid: number): Promise<number> => {
  const names = await readdir(`/proc/${pid}/fd`);
  const targets = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => "")));
  return targets.filter((target) => target.startsWith("socket:")).length;
};

const warmUpEnd = ({ log }: MinietcdProcess): unknown =>
  log.find(({ msg }) => String(msg).startsWith("warm-up has"))?.["end"];

const countersOfRequests = [
  ...["grpc_server_started_total", "grpc_server_handled_total", "grpc_server_msg_received_total"],
  ...["etcd_mvcc_put_total", "etcd_mvcc_range_total", "etcd_mvcc_txn_total"],
  ...["etcd_debugging_mvcc_watcher_total", "etcd_debugging_mvcc_watch_stream_total", "etcd_debugging_mvcc_keys_total"],
  ...["etcd_debugging_lease_granted_total", "etcd_network_client_grpc_received_bytes_total"],
];

test("a member has nothing of its warm-up: no revision, key, metric, socket or file", async () => {
  await using folder = await tempFolder();
  await using member = await startMember(folder.path, ["--warm-up", "--data-dir=data"]);
  const files = await readdir(folder.path);
  const before = process.platform === "linux" ? await socketsOf(member.pid) : 0;
  const appliedBefore = sumOf(await metricsOf(folder.path), "etcd_server_proposals_applied_total");
  const end = await member.waitFor("the end of the warm-up", warmUpEnd, 60_000);
  // A busy machine does not finish every slice within the limits of a warm-up.
  assert.ok(["complete", "cpu time", "time"].includes(String(end)), String(end));

  const metrics = await metricsOf(folder.path);
  for (const name of countersOfRequests) assert.equal(sumOf(metrics, name), 0, name);
  assert.equal(sumOf(metrics, "etcd_server_proposals_applied_total"), appliedBefore);
  await using client = patientClient({ endpoints: [`unix://${folder.path}/client`] });
  const { kvs, header } = await client.kv.get("", { prefix: true });
  assert.deepEqual([kvs.length, header.revision], [0, 1]);
  assert.equal((await client.lease.list()).ids.length, 0);
  assert.deepEqual(await readdir(folder.path), files);
  if (process.platform === "linux")
    await eventually(10_000, "no more sockets than before", async () => {
      const own = 1; // the client's connection
      return (await socketsOf(member.pid)) <= before + own || undefined;
    });
  assert.equal(member.log.filter(({ msg }) => String(msg).includes("warm")).length, 1);
});

test("a member that is stopped while it warms up ends in order", async () => {
  await using folder = await tempFolder();
  await using member = await startMember(folder.path, ["--warm-up", "--data-dir=data"]);
  const exit = await member.end("SIGTERM");
  assert.equal(exit.signal, "SIGTERM");
  assert.ok(member.log.some(({ msg }) => msg === "stopped"));
});

// The alert rules of docs/metrics.md, checked by Prometheus's promtool, and the metrics that etcd's alerts and dashboard use.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { eventually } from "../support/deadline.js";
import { startEtcdCluster } from "../support/etcd-process.js";
import { patientClient } from "../support/patient-client.js";
import { tempFolder } from "../support/temp-folder.js";

const page = new URL("../../docs/metrics.md", import.meta.url);

/** Values of a series by the minute, in promtool's notation. */
type Series = Readonly<Record<string, string>>;

/** Duration of each test in minutes. */
const minutes = 20;

/** Returns the buckets of a histogram whose durations are below 1 s, or, if `isFast`, below 10 ms. */
const buckets = (name: string, labels: string, isFast: boolean): Series => ({
  [`${name}_bucket{${labels},le="0.01"}`]: isFast ? "0+10x20" : "0x20",
  [`${name}_bucket{${labels},le="1"}`]: "0+10x20",
  [`${name}_bucket{${labels},le="+Inf"}`]: "0+10x20",
});

const ofInstance = { instance: "a" };
const ofMethod = { instance: "a", grpc_service: "etcdserverpb.KV", grpc_method: "Put" };
const handledTotal = (code: string): string =>
  `grpc_server_handled_total{instance="a",grpc_service="etcdserverpb.KV",grpc_method="Put",grpc_code="${code}"}`;

/** The labels with which each alert fires, series that make it fire, and series that do not. */
const alerts: Readonly<Record<string, readonly [labels: object, bad: Series, good: Series]>> = {
  etcdMemberDown: [ofInstance, { 'up{instance="a"}': "0x20" }, { 'up{instance="a"}': "1x20" }],
  etcdNoLeader: [
    ofInstance,
    { 'etcd_server_has_leader{instance="a"}': "0x20" },
    { 'etcd_server_has_leader{instance="a"}': "1x20" },
  ],
  etcdHighNumberOfLeaderChanges: [
    ofInstance,
    { 'etcd_server_leader_changes_seen_total{instance="a"}': "0+1x20" },
    { 'etcd_server_leader_changes_seen_total{instance="a"}': "3x20" },
  ],
  etcdDatabaseSpaceLow: [
    ofInstance,
    {
      'etcd_mvcc_db_total_size_in_bytes{instance="a"}': "96x20",
      'etcd_server_quota_backend_bytes{instance="a"}': "100x20",
    },
    {
      'etcd_mvcc_db_total_size_in_bytes{instance="a"}': "90x20",
      'etcd_server_quota_backend_bytes{instance="a"}': "100x20",
    },
  ],
  etcdHighNumberOfFailedProposals: [
    ofInstance,
    { 'etcd_server_proposals_failed_total{instance="a"}': "0+600x20" },
    { 'etcd_server_proposals_failed_total{instance="a"}': "0+60x20" },
  ],
  etcdHighFsyncDurations: [
    ofInstance,
    buckets("etcd_disk_wal_fsync_duration_seconds", 'instance="a"', false),
    buckets("etcd_disk_wal_fsync_duration_seconds", 'instance="a"', true),
  ],
  etcdHighCommitDurations: [
    ofInstance,
    buckets("etcd_disk_backend_commit_duration_seconds", 'instance="a"', false),
    buckets("etcd_disk_backend_commit_duration_seconds", 'instance="a"', true),
  ],
  etcdMemberCommunicationSlow: [
    { instance: "a", To: "b" },
    buckets("etcd_network_peer_round_trip_time_seconds", 'instance="a",To="b"', false),
    buckets("etcd_network_peer_round_trip_time_seconds", 'instance="a",To="b"', true),
  ],
  etcdGRPCRequestsFailing: [
    ofMethod,
    { [handledTotal("OK")]: "0+10x20", [handledTotal("Unavailable")]: "0+10x20" },
    { [handledTotal("OK")]: "0+10x20", [handledTotal("Unavailable")]: "0x20", [handledTotal("NotFound")]: "0+10x20" },
  ],
};

/** Returns a test of promtool: whether an alert fires at the end of its series. */
const ruleTest = (alertname: string, series: Series, fired: readonly object[]) => ({
  interval: "1m",
  input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
  alert_rule_test: [
    { eval_time: `${minutes}m`, alertname, exp_alerts: fired.map((labels) => ({ exp_labels: labels })) },
  ],
});

test("each alert rule of the page fires when it should, and only then", async () => {
  await using folder = await tempFolder();
  const text = await readFile(page, "utf8");
  const rules = [...text.matchAll(/```yaml\n(.*?)```/gs)]
    .map(([, yaml = ""]) => yaml)
    .find((yaml) => yaml.startsWith("groups:"));
  assert.ok(rules);
  assert.deepEqual(
    [...rules.matchAll(/- alert: (\S+)/g)].map(([, name]) => name).sort(),
    Object.keys(alerts).sort(),
    "all alerts are tested",
  );
  await writeFile(join(folder.path, "rules.yml"), rules);
  const tests = Object.entries(alerts).flatMap(([name, [labels, bad, good]]) => [
    ruleTest(name, bad, [labels]),
    ruleTest(name, good, []),
  ]);
  const file = join(folder.path, "tests.yml"); // JSON is valid YAML
  await writeFile(file, JSON.stringify({ rule_files: ["rules.yml"], evaluation_interval: "1m", tests }));
  const promtool = promisify(execFile);
  await promtool("promtool", ["check", "rules", join(folder.path, "rules.yml")]);
  await promtool("promtool", ["test", "rules", file]);
});

/** Metrics of a member that the alerts and the dashboard of etcd's mixin (contrib/mixin) use. */
const readByMixin = [
  ...["etcd_server_has_leader", "etcd_server_leader_changes_seen_total", "etcd_server_proposals_failed_total"],
  ...["grpc_server_started_total", "grpc_server_handled_total", "grpc_server_handling_seconds_bucket"],
  ...["etcd_network_peer_round_trip_time_seconds_bucket", "etcd_network_peer_sent_failures_total"],
  ...["etcd_network_peer_received_bytes_total", "etcd_network_peer_sent_bytes_total"],
  ...["etcd_network_client_grpc_received_bytes_total", "etcd_network_client_grpc_sent_bytes_total"],
  ...["etcd_disk_wal_fsync_duration_seconds_bucket", "etcd_disk_backend_commit_duration_seconds_bucket"],
  ...["etcd_mvcc_db_total_size_in_bytes", "etcd_mvcc_db_total_size_in_use_in_bytes"],
  ...["etcd_server_quota_backend_bytes", "process_resident_memory_bytes"],
];

test("members have all names that etcd's alerts and dashboard read", async () => {
  await using cluster = await startEtcdCluster({ kind: "minietcd", members: 3, flags: ["--metrics=extensive"] });
  await using client = patientClient({ endpoints: cluster.endpoints });
  await client.kv.put("k", "v");
  await cluster.member(2).stop(); // the counter of failed sends appears at the first failure
  await eventually(30_000, "the names", async () => {
    const texts = await Promise.all(
      [0, 1].map(async (member) => (await fetch(`http://${cluster.member(member).endpoint}/metrics`)).text()),
    );
    const names = new Set(texts.flatMap((text) => [...text.matchAll(/^(\w+)[{ ]/gm)].map(([, name]) => name)));
    const missing = readByMixin.filter((name) => !names.has(name));
    return missing.length === 0 ? true : undefined;
  });
});

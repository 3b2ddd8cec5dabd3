// Prometheus scrapes a member, accepts its metrics page, and has samples of the series in etcd's dashboard.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { endWithTests } from "../support/child-processes.js";
import { eventually } from "../support/deadline.js";
import { startEtcdCluster } from "../support/etcd-process.js";
import { freePorts } from "../support/free-ports.js";
import { patientClient } from "../support/patient-client.js";
import { tempFolder } from "../support/temp-folder.js";

const deadlineMs = 60_000;

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [at: number, value: string];
}

/** A Prometheus process that scrapes one target every second. `await using` ends it. */
class Prometheus implements AsyncDisposable {
  private constructor(
    private readonly url: string,
    private readonly child: ReturnType<typeof spawn>,
  ) {}

  static async start(folder: string, target: string): Promise<Prometheus> {
    const config = join(folder, "prometheus.yml");
    const job = `  - job_name: etcd\n    static_configs:\n      - targets: ["${target}"]\n`;
    await writeFile(config, `global:\n  scrape_interval: 1s\nscrape_configs:\n${job}`);
    const [port = 0] = await freePorts(1);
    const flags = [`--config.file=${config}`, `--storage.tsdb.path=${join(folder, "data")}`];
    const child = endWithTests(
      spawn("prometheus", [...flags, `--web.listen-address=127.0.0.1:${port}`], { cwd: folder, stdio: "ignore" }),
    );
    return new Prometheus(`http://127.0.0.1:${port}`, child);
  }

  /**
   * Waits until a query has a result.
   * @throws Error at the deadline, or once the process has ended
   */
  async samples(query: string): Promise<readonly Sample[]> {
    const url = `${this.url}/api/v1/query?query=${encodeURIComponent(query)}`;
    return await eventually(deadlineMs, `Prometheus to have samples of ${query}`, async () => {
      if (this.child.exitCode !== null) throw new Error(`Prometheus has ended with ${this.child.exitCode}`);
      const response = await fetch(url).catch(() => undefined); // Prometheus does not listen yet
      if (response?.ok !== true) return undefined;
      const { data } = (await response.json()) as { data: { result: readonly Sample[] } };
      return data.result.length === 0 ? undefined : data.result;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.kill("SIGTERM");
    await ended;
  }
}

/** Queries of etcd's dashboard that have a result after one scrape. */
const drawn = [
  "sum(etcd_server_has_leader)",
  'etcd_server_has_leader{job="etcd"} == 1',
  "etcd_mvcc_db_total_size_in_bytes",
  "etcd_server_leader_changes_seen_total",
  "etcd_disk_wal_fsync_duration_seconds_bucket",
  "etcd_disk_backend_commit_duration_seconds_bucket",
  'grpc_server_started_total{grpc_type="unary",grpc_method="Put"}',
  "etcd_network_client_grpc_received_bytes_total",
  "etcd_network_client_grpc_sent_bytes_total",
  "etcd_server_proposals_committed_total",
  "etcd_server_proposals_applied_total",
  "etcd_server_proposals_pending",
  "etcd_server_proposals_failed_total",
  "process_resident_memory_bytes",
];

test("Prometheus scrapes a member, and has the metrics of etcd's dashboard", async () => {
  await using folder = await tempFolder();
  await using cluster = await startEtcdCluster({ kind: "minietcd" });
  const { endpoint } = cluster.member(0);
  await using client = patientClient({ endpoints: [endpoint] });
  await client.kv.put("k", "v");
  await using prometheus = await Prometheus.start(folder.path, endpoint);
  const [up] = await prometheus.samples('up{job="etcd"} == 1');
  assert.equal(up?.metric["instance"], endpoint);
  for (const query of drawn) await prometheus.samples(query);
  // Two scrapes later, the quantiles of the dashboard have results.
  await prometheus.samples("rate(etcd_server_proposals_committed_total[1m])");
  await prometheus.samples(
    "histogram_quantile(0.99, sum(rate(etcd_disk_wal_fsync_duration_seconds_bucket[1m])) by (le))",
  );
  const [families] = await prometheus.samples('count(count({job="etcd"}) by (__name__))');
  assert.ok(Number(families?.value[1]) > 100);
});

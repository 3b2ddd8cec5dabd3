import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { Agent, get } from "node:https";
import { test } from "node:test";
import { join } from "node:path";
import { startMember } from "../../../server/index.js";
import { TestAuthority } from "../../support/certificates.js";
import { freePorts } from "../../support/free-ports.js";
import { patientClient } from "../../support/patient-client.js";
import { tempFolder } from "../../support/temp-folder.js";

/** The samples that etcd's dashboard and alert rules need of a single member. */
const asked = [
  ...["etcd_server_has_leader 1", "etcd_server_leader_changes_seen_total 1", "etcd_server_proposals_failed_total 0"],
  ...["etcd_server_proposals_pending 0", "etcd_debugging_mvcc_keys_total 1", "etcd_debugging_mvcc_current_revision 2"],
  ...["etcd_mvcc_put_total 1", "etcd_debugging_mvcc_db_compaction_keys_total 0", "etcd_debugging_mvcc_watcher_total 0"],
  "etcd_server_quota_backend_bytes 2147483648",
  'grpc_server_started_total{grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"} 1',
  'grpc_server_handled_total{grpc_code="OK",grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"} 1',
];
const namesAsked = [
  ...[
    "etcd_server_proposals_committed_total",
    "etcd_server_proposals_applied_total",
    "etcd_disk_wal_write_bytes_total",
  ],
  ...["etcd_disk_wal_fsync_duration_seconds_bucket", "etcd_disk_backend_commit_duration_seconds_bucket"],
  ...["etcd_mvcc_db_total_size_in_bytes", "etcd_network_client_grpc_received_bytes_total"],
  ...["etcd_network_client_grpc_sent_bytes_total", "process_resident_memory_bytes", "process_cpu_seconds_total"],
];

test("a metrics port has the metrics of etcd's dashboard, and no other pages than health", async () => {
  await using folder = await tempFolder();
  const [client, peer, metrics] = await freePorts(3);
  const url = (port: number | undefined): string => `http://127.0.0.1:${port}`;
  await using member = await startMember({
    dataDir: join(folder.path, "m1"),
    clientUrls: url(client),
    peerUrls: url(peer),
    flags: { listenMetricsUrls: url(metrics) },
  });
  await using writer = patientClient({ endpoints: member.endpoints });
  await writer.kv.put("k", "v");
  const lines = (await (await fetch(`${url(metrics)}/metrics`)).text()).split("\n");
  for (const sample of asked) assert.ok(lines.includes(sample), sample);
  for (const name of namesAsked)
    assert.ok(
      lines.some((line) => new RegExp(`^${name}[ {]`).test(line)),
      name,
    );
  assert.equal((await fetch(`${url(metrics)}/readyz`)).status, 200);
  assert.equal((await fetch(`${url(metrics)}/version`)).status, 404);
});

test("a metrics port with TLS uses the certificate of the client port", async (t) => {
  await using folder = await tempFolder();
  const authority = await TestAuthority.create();
  const { files } = await authority.issueTo(folder.path, "server");
  const [client, peer, metrics] = await freePorts(3);
  await using member = await startMember({
    dataDir: join(folder.path, "m1"),
    clientUrls: `http://127.0.0.1:${client}`,
    peerUrls: `http://127.0.0.1:${peer}`,
    flags: { listenMetricsUrls: `https://127.0.0.1:${metrics}`, certFile: files.cert, keyFile: files.key },
  });
  assert.equal(member.endpoints[0], `127.0.0.1:${client}`); // the client port stays without TLS
  const agent = new Agent({ ca: authority.cert });
  t.after(() => agent.destroy());
  const [response] = (await once(get({ agent, port: metrics, host: "127.0.0.1", path: "/metrics" }), "response")) as [
    IncomingMessage,
  ];
  const text = (await response.setEncoding("utf8").toArray()).join("");
  assert.match(text, /^etcd_server_has_leader 1$/m);
});

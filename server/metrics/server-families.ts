import { noMember } from "../../raft/index.js";
import { alarmName } from "../app/index.js";
import { formatId } from "../base/index.js";
import type { CommandKind } from "../replication/index.js";
import { counter, type Family, gauge, histogram, info, outcomes } from "./family.js";
import type { MeasuredMember, MeasuredReplica } from "./measured.js";

/** etcd's names of commands. */
const requestNames = {
  put: "Put",
  deleteRange: "DeleteRange",
  txn: "Txn",
  compact: "Compaction",
  publish: "ClusterMemberAttrSet",
  leaseGrant: "LeaseGrant",
  leaseRevoke: "LeaseRevoke",
  leaseExpiry: "LeaseExpiry", // minietcd's own name: etcd revokes one lease at a time
  alarm: "Alarm",
  leaseCheckpoint: "LeaseCheckpoint",
  authEnable: "AuthEnable",
  authDisable: "AuthDisable",
  login: "Authenticate",
  userAdd: "AuthUserAdd",
  userDelete: "AuthUserDelete",
  userChangePassword: "AuthUserChangePassword",
  userGrantRole: "AuthUserGrantRole",
  userRevokeRole: "AuthUserRevokeRole",
  roleAdd: "AuthRoleAdd",
  roleDelete: "AuthRoleDelete",
  roleGrantPermission: "AuthRoleGrantPermission",
  roleRevokePermission: "AuthRoleRevokePermission",
} as const satisfies Record<CommandKind, string>;

/** etcd's metrics of a member and its role in consensus. */
export const serverFamilies = (member: MeasuredMember): Family[] => {
  const { replica, versions } = member;
  const { cluster, server } = versions;
  return [
    info(
      "etcd_cluster_version",
      "Which version is running. 1 for 'cluster_version' label with current cluster version",
      { cluster_version: cluster.replace(/\.\d+$/, "") },
    ),
    info("etcd_server_version", "Which version is running. 1 for 'server_version' label with current version.", {
      server_version: server,
    }),
    info("etcd_server_id", "Server or member ID in hexadecimal format. 1 for 'server_id' label with current ID.", {
      server_id: formatId(replica.id),
    }),
    gauge("etcd_debugging_auth_revision", "The current revision of auth store.", Number(replica.applier.auth.revision)),
    ...roleFamilies(replica),
    ...stateFamilies(member),
    ...proposalFamilies(replica),
    ...requestFamilies(member),
    ...healthFamilies(member),
  ];
};

const roleFamilies = ({ node, leaderChanges, quota }: MeasuredReplica): Family[] => {
  const { leader, id } = node.status();
  return [
    gauge(
      "etcd_server_has_leader",
      "Whether or not a leader exists. 1 is existence, 0 is not.",
      Number(leader !== noMember),
    ),
    gauge(
      "etcd_server_is_leader",
      "Whether or not this member is a leader. 1 if is, 0 otherwise.",
      Number(leader === id),
    ),
    gauge("etcd_server_quota_backend_bytes", "Current backend storage quota size in bytes.", quota.reportedBytes),
    gauge("etcd_server_is_learner", "Whether or not this member is a learner. 1 if is, 0 otherwise.", 0),
    counter(
      "etcd_server_learner_promote_successes",
      "The total number of successful learner promotions while this member is leader.",
      0,
    ),
    counter("etcd_server_leader_changes_seen_total", "The number of leader changes seen.", leaderChanges),
    counter(
      "etcd_server_heartbeat_send_failures_total",
      "The total number of heartbeats that this member sent late while it led: it is overloaded.",
      node.overdueHeartbeats,
    ),
  ];
};

const stateFamilies = ({ replica, features }: MeasuredMember): Family[] => [
  gauge(
    "etcd_server_feature_enabled",
    "Whether or not a feature is enabled. 1 is enabled, 0 is not.",
    features.map(({ name, stage, isEnabled }) => ({ labels: { name, stage }, value: Number(isEnabled) })),
  ),
  gauge(
    "etcd_debugging_server_alarms",
    "Alarms for every member in cluster: 1 for each active one.",
    replica.applier.alarms.all.map(({ alarm, memberID }) => ({
      labels: { alarm_type: alarmName(alarm), server_id: formatId(memberID) },
      value: 1,
    })),
  ),
];

const proposalFamilies = ({ node, applier, proposals, reads }: MeasuredReplica): Family[] => [
  gauge(
    "etcd_server_proposals_committed_total",
    "The total number of consensus proposals committed.",
    node.status().commit,
  ),
  gauge(
    "etcd_server_proposals_applied_total",
    "The total number of consensus proposals applied.",
    applier.appliedIndex,
  ),
  gauge("etcd_server_proposals_pending", "The current number of pending proposals to commit.", proposals.size),
  counter("etcd_server_proposals_failed_total", "The total number of failed proposals seen.", proposals.failedCount),
  counter(
    "etcd_server_slow_apply_total",
    "The total number of slow apply requests (likely overloaded from slow disk).",
    applier.slowApplies,
  ),
  counter(
    "etcd_server_slow_read_indexes_total",
    "The total number of pending read indexes not in sync with leader's or timed out read index requests.",
    reads.slowRequests,
  ),
  counter(
    "etcd_server_read_indexes_failed_total",
    "The total number of failed read indexes seen.",
    reads.refusedRequests,
  ),
  gauge(
    "etcd_server_snapshot_apply_in_progress_total",
    "1 if the server is applying the incoming snapshot. 0 if none.",
    Number(applier.isInstalling),
  ),
];

const requestFamilies = ({ replica, requests }: MeasuredMember): Family[] => {
  const { proposals, applier } = replica;
  const proposed = [...proposals.durations.all].flatMap(([kind, durations]) =>
    outcomes(durations, { type: requestNames[kind] }),
  );
  const read = [...requests.reads.all].flatMap(([type, durations]) => outcomes(durations, { type }));
  const applied = [...applier.durations.all].flatMap(([kind, durations]) =>
    outcomes(durations, { op: requestNames[kind], version: "v3" }),
  );
  return [
    histogram("etcd_server_request_duration_seconds", "Response latency distribution in seconds for each type.", [
      ...proposed,
      ...read,
    ]),
    histogram("etcd_server_apply_duration_seconds", "The time that commands take to be applied.", applied),
    histogram(
      "etcd_server_range_duration_seconds",
      "The time that the store takes for a Range.",
      outcomes(requests.ranges),
    ),
    counter(
      "etcd_server_client_requests_total",
      "The total number of client requests per client version.",
      [...requests.clientRequests].flatMap(([client_api_version, { unary, stream }]) =>
        [
          { labels: { client_api_version, type: "unary" }, value: unary },
          { labels: { client_api_version, type: "stream" }, value: stream },
        ].filter(({ value }) => value > 0),
      ),
    ),
  ];
};

const healthFamilies = ({ health }: MeasuredMember): Family[] => {
  const checks = [...health.checks].map(([check, results]) => {
    const [page = "", name = ""] = check.split("/");
    return { labels: { name, type: page }, results };
  });
  return [
    counter("etcd_server_health_success", "The total number of successful health checks", health.healthy),
    counter("etcd_server_health_failures", "The total number of failed health checks", health.unhealthy),
    gauge(
      "etcd_server_healthcheck",
      "The result of each kind of healthcheck.",
      checks.map(({ labels, results }) => ({ labels, value: Number(results.isWell) })),
    ),
    counter(
      "etcd_server_healthchecks_total",
      "The total number of each kind of healthcheck.",
      checks.flatMap(({ labels, results: { succeeded, failed } }) => [
        { labels: { ...labels, status: "success" }, value: succeeded },
        { labels: { ...labels, status: "error" }, value: failed },
      ]),
    ),
  ];
};

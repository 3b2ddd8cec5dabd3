// All flags of etcd 3.4 to 3.7 with their effect in minietcd, and minietcd's own flags. Help, docs/flags.md and tests use this
// table.

import { emulatedVersions, logLevels } from "../base/index.js";
import { authTokenWarning, bcryptCostWarning } from "./auth-settings.js";
import type { Flag, FlagGroup, FlagKind } from "./flag.js";
import { featureGatesOf } from "./flag-values.js";

type More = Pick<Flag, "until" | "harmless" | "isCommandLineOnly" | "check" | "warning">;

const workingFlag = (name: string, kind: FlagKind, fallback: string, text: string, more: More = {}): Flag => {
  return { name, kind, fallback, effect: { kind: "works", text }, ...more };
};
const ignoredFlag = (name: string, kind: FlagKind, fallback: string, why: string, more: More = {}): Flag => {
  return { name, kind, fallback, effect: { kind: "no-effect", why }, ...more };
};
const refusedFlag = (name: string, kind: FlagKind, fallback: string, why: string, more: More = {}): Flag => {
  return { name, kind, fallback, effect: { kind: "refused", why }, ...more };
};

const noDiscovery =
  "discovery by another etcd is not supported: name all members in --initial-cluster, or in DNS for --discovery-srv";
const noV2 = "there is no v2 API";
const noProxy = "there is no v2 proxy";
const noBbolt = "the store is LevelDB, not bbolt";
const noCorruptionCheck =
  "a member checks its own files at every start and at every read; members are not compared with each other";
const noTracing = "there is no tracing";
const leaseCheckpointsAreOn = "leases keep their remaining time unless --feature-gates=LeaseCheckpoint=false";

const followedGates = new Set(["LeaseCheckpoint", "LeaseCheckpointPersist"]);
const gatesOnInEtcd = new Set(["AllBeta", "FastLeaseKeepAlive", "TxnModeWriteWithSharedBuffer"]);

const gateWarning = (value: string): string | undefined => {
  const idle = [...featureGatesOf(value)].filter(
    ([name, isOn]) => !followedGates.has(name) && !(name === "AllAlpha" && !isOn) && isOn !== gatesOnInEtcd.has(name),
  );
  if (idle.length === 0) return undefined;
  return `${idle.map(([name, isOn]) => `${name}=${String(isOn)}`).join(", ")} has no effect`;
};

const tlsVersions = ["TLS1.2", "TLS1.3"];
const tlsVersion = (value: string): string | undefined =>
  value === "" || tlsVersions.includes(value)
    ? undefined
    : `unexpected TLS version "${value}" (must be one of: ${tlsVersions.join(", ")})`;

const noOwnClient = "a member makes no connection to its own client port";

const member: FlagGroup = {
  title: "Member",
  flags: [
    workingFlag("name", "string", "default", "name of this member"),
    workingFlag("data-dir", "string", "${name}.etcd", "data directory of this member"),
    refusedFlag(
      "wal-dir",
      "string",
      "",
      "the log is part of the data directory: put --data-dir on the disk for the log",
    ),
    workingFlag("snapshot-count", "uint", "10000", "applied entries after which the log is compacted (0: the default)"),
    workingFlag("snapshot-catchup-entries", "uint", "5000", "entries kept in the log for members that are behind"),
    workingFlag("heartbeat-interval", "uint", "100", "milliseconds between a leader's heartbeats"),
    workingFlag(
      "election-timeout",
      "uint",
      "1000",
      "milliseconds without a leader's message after which a member starts an election",
    ),
    ignoredFlag("initial-election-tick-advance", "bool", "true", "a start waits for at most one election timeout"),
    workingFlag("listen-peer-urls", "urls", "http://localhost:2380", "URLs to listen on for other members"),
    workingFlag("listen-client-urls", "urls", "http://localhost:2379", "URLs to listen on for clients"),
    ignoredFlag("listen-client-http-urls", "urls", "", "HTTP and gRPC share the client URLs"),
    ignoredFlag("max-snapshots", "uint", "5", "a member keeps one store, and makes a snapshot only to send it"),
    ignoredFlag("max-wals", "uint", "5", "--snapshot-count decides when segments of the log are removed"),
    ignoredFlag("memory-mlock", "bool", "false", "Node cannot lock its memory"),
    workingFlag(
      "quota-backend-bytes",
      "int",
      "0",
      "size at which the store accepts no more writes, in bytes (0: 2 GiB; negative: no quota)",
    ),
    ignoredFlag("backend-bbolt-freelist-type", "string", "map", noBbolt, { harmless: [""] }),
    ignoredFlag("backend-batch-interval", "duration", "0s", noBbolt),
    ignoredFlag("backend-batch-limit", "int", "0", noBbolt),
    workingFlag("max-txn-ops", "uint", "128", "maximum number of operations in a transaction"),
    workingFlag("max-request-bytes", "uint", "1572864", "maximum size of a client's write, in bytes"),
    workingFlag(
      "max-concurrent-streams",
      "uint32",
      "4294967295",
      "maximum number of concurrent calls and streams on a client connection",
    ),
    workingFlag(
      "grpc-keepalive-min-time",
      "duration",
      "5s",
      "minimum interval between a client's pings; a client that pings more often is disconnected",
    ),
    workingFlag("grpc-keepalive-interval", "duration", "2h0m0s", "interval between pings to a client (0: none)"),
    workingFlag(
      "grpc-keepalive-timeout",
      "duration",
      "20s",
      "time to wait for the answer to a ping before the connection is closed",
    ),
    ignoredFlag("socket-reuse-port", "bool", "false", "SO_REUSEPORT is not set"),
    ignoredFlag("socket-reuse-address", "bool", "false", "SO_REUSEADDR is always set", { harmless: ["true"] }),
    workingFlag(
      "enable-grpc-gateway",
      "bool",
      "true",
      "serve JSON over HTTP on the client URLs, for clients without gRPC",
    ),
    ignoredFlag("raft-read-timeout", "duration", "5s", "links between members have their own timeouts"),
    ignoredFlag("raft-write-timeout", "duration", "5s", "links between members have their own timeouts"),
    workingFlag(
      "feature-gates",
      "gates",
      "",
      "LeaseCheckpoint=false or LeaseCheckpointPersist=false: a new leader gives leases their full time, unless they were checkpointed before; other gates have no effect",
      { warning: gateWarning },
    ),
  ],
};

const clustering: FlagGroup = {
  title: "Clustering",
  flags: [
    workingFlag(
      "initial-advertise-peer-urls",
      "urls",
      "http://localhost:2380",
      "peer URLs to advertise to the cluster",
    ),
    workingFlag(
      "initial-cluster",
      "string",
      "${name}=${initial-advertise-peer-urls}",
      "all members of the new cluster: name=peer-url,…",
    ),
    workingFlag(
      "initial-cluster-state",
      { oneOf: ["new", "existing"] },
      "new",
      'state of the cluster: only "new" is supported yet',
    ),
    workingFlag(
      "initial-cluster-token",
      "string",
      "etcd-cluster",
      "distinguishes clusters: cluster and member ids depend on it",
    ),
    workingFlag("advertise-client-urls", "urls", "http://localhost:2379", "client URLs to advertise to the cluster"),
    refusedFlag("discovery-token", "string", "", noDiscovery),
    refusedFlag("discovery-endpoints", "strings", "", noDiscovery),
    workingFlag(
      "discovery-srv",
      "string",
      "",
      "domain whose SRV records name the members of a new cluster, instead of --initial-cluster",
    ),
    workingFlag(
      "discovery-srv-name",
      "string",
      "",
      "suffix of the DNS service name, _etcd-server-NAME._tcp, if the domain has several clusters",
    ),
    ignoredFlag("discovery-dial-timeout", "duration", "2s", noDiscovery),
    ignoredFlag("discovery-request-timeout", "duration", "5s", noDiscovery),
    ignoredFlag("discovery-keepalive-time", "duration", "2s", noDiscovery),
    ignoredFlag("discovery-keepalive-timeout", "duration", "6s", noDiscovery),
    ignoredFlag("discovery-insecure-transport", "bool", "true", noDiscovery),
    ignoredFlag("discovery-insecure-skip-tls-verify", "bool", "false", noDiscovery),
    ignoredFlag("discovery-cert", "string", "", noDiscovery),
    ignoredFlag("discovery-key", "string", "", noDiscovery),
    ignoredFlag("discovery-cacert", "string", "", noDiscovery),
    ignoredFlag("discovery-user", "string", "", noDiscovery),
    ignoredFlag("discovery-password", "string", "", noDiscovery),
    ignoredFlag("discovery-fallback", { oneOf: ["exit", "proxy"] }, "exit", noDiscovery, {
      isCommandLineOnly: true,
      check: (value) =>
        value === "proxy"
          ? `v2 proxy is deprecated, and --discovery-fallback can't be configured as "proxy"`
          : undefined,
    }),
    ignoredFlag("strict-reconfig-check", "bool", "true", "there are no member changes yet"),
    ignoredFlag("pre-vote", "bool", "true", "a candidate always sends a PreVote first"),
    workingFlag(
      "auto-compaction-retention",
      "string",
      "0",
      "history that auto-compaction keeps: 5m, 2 (hours) or a number of revisions (0: all)",
    ),
    workingFlag("auto-compaction-mode", "string", "periodic", "periodic: by time; revision: by number", {
      check: (value) => {
        if (value === "") return "undefined auto-compaction-mode";
        return value === "periodic" || value === "revision" ? undefined : `unknown auto-compaction-mode "${value}"`;
      },
    }),
    ignoredFlag(
      "v2-deprecation",
      { oneOf: ["not-yet", "write-only", "write-only-skip-check", "write-only-drop-data", "gone"] },
      "write-only",
      noV2,
      { harmless: ["not-yet", "gone"] },
    ),
  ],
};

const security: FlagGroup = {
  title: "Security",
  flags: [
    workingFlag("cert-file", "string", "", "certificate of the https client URLs, PEM; reloaded when it changes"),
    workingFlag("key-file", "string", "", "private key of that certificate"),
    ignoredFlag("client-cert-file", "string", "", noOwnClient),
    ignoredFlag("client-key-file", "string", "", noOwnClient),
    workingFlag("client-cert-auth", "bool", "false", "require client certificates; the common name is the user"),
    workingFlag("client-crl-file", "string", "", "revocation list for client certificates, DER or PEM"),
    workingFlag(
      "client-cert-allowed-hostname",
      "strings",
      "",
      "host names; a client certificate must be valid for one of them",
    ),
    workingFlag(
      "trusted-ca-file",
      "string",
      "",
      "trusted authorities of client certificates; makes certificates required",
    ),
    workingFlag("auto-tls", "bool", "false", "make a self-signed certificate for the client URLs"),
    workingFlag("peer-cert-file", "string", "", "certificate of the https peer URLs, PEM; reloaded when it changes"),
    workingFlag("peer-key-file", "string", "", "private key of that certificate"),
    workingFlag(
      "peer-client-cert-file",
      "string",
      "",
      "certificate to present to other members, if not --peer-cert-file",
    ),
    workingFlag("peer-client-key-file", "string", "", "private key of that certificate"),
    workingFlag("peer-client-cert-auth", "bool", "false", "require certificates of other members"),
    workingFlag(
      "peer-trusted-ca-file",
      "string",
      "",
      "trusted authorities of members' certificates; makes certificates required",
    ),
    workingFlag(
      "peer-auto-tls",
      "bool",
      "false",
      "make a self-signed certificate for the peer URLs; other members' certificates are not checked",
    ),
    workingFlag("peer-crl-file", "string", "", "revocation list for members' certificates, DER or PEM"),
    workingFlag("peer-cert-allowed-cn", "strings", "", "common names; a member's certificate must have one of them"),
    workingFlag(
      "peer-cert-allowed-hostname",
      "strings",
      "",
      "host names; a member's certificate must be valid for one of them",
    ),
    workingFlag(
      "peer-skip-client-san-verification",
      "bool",
      "false",
      "accept members that connect from a host that their certificate does not name",
    ),
    workingFlag(
      "cipher-suites",
      "strings",
      "",
      "cipher suites of TLS 1.2, by their names in Go (none: Node's defaults)",
    ),
    workingFlag(
      "self-signed-cert-validity",
      "uint",
      "1",
      "validity of the certificates of --auto-tls and --peer-auto-tls, in years",
    ),
    workingFlag("tls-min-version", "string", "TLS1.2", "minimum version of TLS: TLS1.2 or TLS1.3", {
      check: tlsVersion,
    }),
    workingFlag("tls-max-version", "string", "", "maximum version of TLS (none: the newest)", { check: tlsVersion }),
    workingFlag("cors", "origins", "*", "origins of web pages that may read HTTP responses (* or none: all)"),
    workingFlag("host-whitelist", "strings", "*", "host names under which HTTP is served (* or none: all)"),
  ],
};

const auth: FlagGroup = {
  title: "Auth",
  flags: [
    workingFlag(
      "auth-token",
      "string",
      "simple",
      "kind of auth tokens: simple, or jwt,sign-method=…,priv-key=FILE,pub-key=FILE,ttl=10m (with a public key alone the member verifies tokens and issues none)",
      { warning: authTokenWarning },
    ),
    workingFlag("bcrypt-cost", "uint", "10", "bcrypt cost of password hashes, 4 to 31 (out of range: 10)", {
      warning: bcryptCostWarning,
    }),
    workingFlag(
      "auth-token-ttl",
      "uint",
      "300",
      "seconds for which a simple token stays valid after its last use (0: the default)",
    ),
  ],
};

const monitoring: FlagGroup = {
  title: "Profiling and monitoring",
  flags: [
    ignoredFlag("enable-pprof", "bool", "false", "there are no profiles: use node --cpu-prof"),
    workingFlag("metrics", "string", "basic", "basic, or extensive: adds the duration of calls"),
    workingFlag(
      "listen-metrics-urls",
      "urls",
      "",
      "URLs that serve only metrics and health; https URLs use the TLS settings of the client URLs",
    ),
    ignoredFlag("warning-apply-duration", "duration", "100ms", "slow requests are not logged"),
    ignoredFlag("warning-unary-request-duration", "duration", "300ms", "slow requests are not logged"),
    ignoredFlag("enable-distributed-tracing", "bool", "false", noTracing),
    ignoredFlag("distributed-tracing-address", "string", "localhost:4317", noTracing),
    ignoredFlag("distributed-tracing-service-name", "string", "etcd", noTracing),
    ignoredFlag("distributed-tracing-instance-id", "string", "", noTracing),
    ignoredFlag("distributed-tracing-sampling-rate", "int", "0", noTracing),
  ],
};

const logger = (value: string): string | undefined => {
  if (value === "capnslog") return "--logger=capnslog is removed in v3.5";
  return value === "zap" ? undefined : `unknown logger option "${value}"`;
};

const logFormat = (value: string): string | undefined =>
  ["json", "console"].includes(value) ? undefined : `unknown log format: ${value}, supported values json, console`;

const logging: FlagGroup = {
  title: "Logging",
  flags: [
    ignoredFlag("logger", "string", "zap", "log lines have zap's format", { check: logger }),
    workingFlag("log-outputs", "strings", "default", 'stderr, stdout or files, comma-separated; "default" is stderr'),
    workingFlag("log-level", { oneOf: logLevels }, "info", "debug, info, warn, error, panic or fatal"),
    workingFlag("log-format", "string", "json", "json or console", { check: logFormat }),
    refusedFlag(
      "enable-log-rotation",
      "bool",
      "false",
      "minietcd does not rotate log files: use logrotate with copytruncate",
    ),
    ignoredFlag(
      "log-rotation-config-json",
      "string",
      '{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}',
      "log files are not rotated",
    ),
  ],
};

const features: FlagGroup = {
  title: "Features",
  flags: [
    ignoredFlag("corrupt-check-time", "duration", "0s", noCorruptionCheck),
    ignoredFlag("compact-hash-check-time", "duration", "1m0s", noCorruptionCheck, {
      check: (value) =>
        value.startsWith("-") || Number.parseFloat(value) === 0
          ? `--compact-hash-check-time must be >0 (set to ${value === "0" ? "0s" : value})`
          : undefined,
    }),
    ignoredFlag("compaction-batch-limit", "int", "0", "a compaction yields to requests by itself", {
      harmless: ["1000"],
    }),
    ignoredFlag("compaction-sleep-interval", "duration", "0s", "a compaction yields to requests by itself"),
    workingFlag(
      "watch-progress-notify-interval",
      "duration",
      "10m0s",
      "time without events after which a watch with progress_notify gets a progress notice",
    ),
    ignoredFlag("bootstrap-defrag-threshold-megabytes", "uint", "0", "LevelDB frees space by itself"),
    ignoredFlag("max-learners", "int", "1", "there are no learners yet"),
    ignoredFlag("downgrade-check-time", "duration", "5s", "there are no downgrades"),
  ],
};

const unsafe: FlagGroup = {
  title: "Unsafe",
  flags: [
    refusedFlag(
      "force-new-cluster",
      "bool",
      "false",
      "minietcd cannot turn a member's data into a new cluster: start a new cluster in another directory",
    ),
    workingFlag(
      "unsafe-no-fsync",
      "bool",
      "false",
      "sync no writes: a power cut or a system crash may lose or damage data",
    ),
  ],
};

const oldFlag = (flag: Flag, until: "3.4" | "3.5" | "3.6"): Flag => ({ ...flag, until });

/** Returns a flag of 3.4 to 3.6 that has become a flag of 3.7 without "experimental-". */
const experimentalFlag = (
  name: string,
  flag: string,
  kind: FlagKind,
  fallback: string,
  until: "3.4" | "3.6" = "3.6",
): Flag => {
  return { name: `experimental-${name}`, kind, fallback, until, effect: { kind: "same-as", flag } };
};

const byName = new Map(
  [member, clustering, security, auth, monitoring, logging, features, unsafe]
    .flatMap(({ flags }) => flags)
    .map((flag) => [flag.name, flag]),
);

/** Returns the old name of a flag of 3.7 with the same name without "experimental-". */
const twinFlag = (name: string, until?: "3.4"): Flag => {
  const { kind = "string", fallback = "" } = byName.get(name) ?? {};
  return experimentalFlag(name, name, kind, fallback, until);
};

const proxyMs = (name: string, fallback: string): Flag =>
  oldFlag(ignoredFlag(`proxy-${name}`, "uint", fallback, noProxy), "3.5");

const older: FlagGroup = {
  title: "Flags of etcd 3.4 to 3.6 that 3.7 removed",
  flags: [
    ...["bootstrap-defrag-threshold-megabytes", "compact-hash-check-time", "compaction-batch-limit"].map((name) =>
      twinFlag(name),
    ),
    ...["compaction-sleep-interval", "corrupt-check-time", "distributed-tracing-address"].map((name) => twinFlag(name)),
    ...["distributed-tracing-instance-id", "distributed-tracing-sampling-rate"].map((name) => twinFlag(name)),
    ...["distributed-tracing-service-name", "downgrade-check-time", "enable-distributed-tracing"].map((name) =>
      twinFlag(name),
    ),
    ...["memory-mlock", "peer-skip-client-san-verification", "snapshot-catchup-entries"].map((name) => twinFlag(name)),
    ...["warning-apply-duration", "warning-unary-request-duration", "watch-progress-notify-interval"].map((name) =>
      twinFlag(name),
    ),
    twinFlag("backend-bbolt-freelist-type", "3.4"),
    oldFlag(ignoredFlag("experimental-compact-hash-check-enabled", "bool", "false", noCorruptionCheck), "3.6"),
    oldFlag(ignoredFlag("experimental-initial-corrupt-check", "bool", "false", noCorruptionCheck), "3.6"),
    oldFlag(
      ignoredFlag("experimental-enable-lease-checkpoint", "bool", "false", leaseCheckpointsAreOn, {
        harmless: ["true"],
      }),
      "3.6",
    ),
    oldFlag(
      ignoredFlag("experimental-enable-lease-checkpoint-persist", "bool", "false", leaseCheckpointsAreOn, {
        harmless: ["true"],
      }),
      "3.6",
    ),
    oldFlag(
      ignoredFlag(
        "experimental-stop-grpc-service-on-defrag",
        "bool",
        "false",
        "a defragmentation does not block requests",
      ),
      "3.6",
    ),
    oldFlag(ignoredFlag("experimental-txn-mode-write-with-shared-buffer", "bool", "true", noBbolt), "3.6"),
    oldFlag(refusedFlag("experimental-enable-v2v3", "string", "", noV2), "3.5"),
    oldFlag(refusedFlag("enable-v2", "bool", "false", noV2), "3.5"),
    oldFlag(refusedFlag("discovery", "string", "", noDiscovery), "3.6"),
    oldFlag(ignoredFlag("discovery-proxy", "string", "", noDiscovery), "3.6"),
    oldFlag(refusedFlag("proxy", { oneOf: ["off", "readonly", "on"] }, "off", noProxy), "3.5"),
    proxyMs("failure-wait", "5000"),
    proxyMs("refresh-interval", "30000"),
    proxyMs("dial-timeout", "1000"),
    proxyMs("write-timeout", "5000"),
    proxyMs("read-timeout", "0"),
    oldFlag(ignoredFlag("debug", "bool", "false", "use --log-level=debug"), "3.4"),
    oldFlag(ignoredFlag("log-package-levels", "string", "", "use --log-level"), "3.4"),
    {
      name: "log-output",
      kind: "strings",
      fallback: "default",
      until: "3.4",
      effect: { kind: "same-as", flag: "log-outputs" },
    },
    oldFlag(
      ignoredFlag("next-cluster-version-compatible", "bool", "false", "it concerns only upgrades from etcd 3.4"),
      "3.4",
    ),
  ],
};

/** etcd accepts these and ignores them, whatever their value. */
const ignoredByEtcd: FlagGroup = {
  title: "Flags that etcd itself ignores",
  flags: [
    ...["cluster-active-size", "cluster-remove-delay", "cluster-sync-interval", "config", "force"],
    ...["max-result-buffer", "max-retry-attempts", "peer-heartbeat-interval", "peer-election-timeout"],
    ...["retry-interval", "snapshot", "v", "vv", "test.coverprofile", "test.outputdir"],
  ].map((name) => ignoredFlag(name, "any", "", "etcd ignores it, too")),
};

/** The flag that names the file of all settings, and so is not one of them. */
const configFile: FlagGroup = {
  title: "Configuration file",
  flags: [
    workingFlag("config-file", "string", "", "YAML file with all settings; other flags and variables are ignored"),
  ],
};

/** minietcd's own flags. */
const own: FlagGroup = {
  title: "Flags that etcd does not have",
  flags: [
    workingFlag(
      "emulated-version",
      { oneOf: emulatedVersions },
      "3.7",
      "minor version of etcd to report; 3.6 lacks RangeStream",
    ),
    workingFlag(
      "memory",
      "bool",
      "false",
      "keep all data in memory, without --data-dir; it is lost when the member ends (for tests and trials)",
    ),
    workingFlag(
      "auto-disarm-nospace",
      "bool",
      "false",
      "deactivate this member's alarm NOSPACE once the store is below nine tenths of its quota again",
    ),
    workingFlag(
      "audit-log",
      "string",
      "",
      "file for the audit log: a line of JSON for each change that a client requests",
    ),
    workingFlag(
      "warm-up",
      "bool",
      "true",
      "warm up while idle, by requests to a temporary cluster in memory, so that the first requests find compiled code; false for members that live for seconds",
    ),
    workingFlag(
      "rpc-engine",
      { oneOf: ["native", "grpc-js"] },
      "native",
      "gRPC implementation that serves clients: our own over sockets, or @grpc/grpc-js",
    ),
    workingFlag(
      "client-cert-allowed-cn",
      "strings",
      "",
      "common names; a client certificate must have one of them (in etcd's file: client-transport-security.allowed-cn)",
    ),
  ],
};

/** All flags by topic, in the order of the help. */
export const flagGroups: readonly FlagGroup[] = [
  configFile,
  own,
  member,
  clustering,
  security,
  auth,
  monitoring,
  logging,
  features,
  unsafe,
  older,
  ignoredByEtcd,
];

/** The flags of all groups. */
export const allFlags: readonly Flag[] = flagGroups.flatMap(({ flags }) => flags);

const flags: ReadonlyMap<string, Flag> = new Map(allFlags.map((flag) => [flag.name, flag]));

/** Finds a flag by its name without dashes. */
export const findFlag = (name: string): Flag | undefined => flags.get(name);

// Every flag of etcd 3.4 to 3.7 and what becomes of it here, and those that etcd does not have. Help, docs/flags.md and the tests come from this table.

import { emulatedVersions, logLevels } from "../base/index.js";
import { authTokenWarning, bcryptCostWarning } from "./auth-settings.js";
import type { Flag, FlagGroup, FlagKind } from "./flag.js";
import { givenGates } from "./flag-values.js";

type More = Pick<Flag, "until" | "harmless" | "isCommandLineOnly" | "check" | "warning">;

const works = (name: string, kind: FlagKind, fallback: string, text: string, more: More = {}): Flag => {
  return { name, kind, fallback, effect: { kind: "works", text }, ...more };
};
const noEffect = (name: string, kind: FlagKind, fallback: string, why: string, more: More = {}): Flag => {
  return { name, kind, fallback, effect: { kind: "no-effect", why }, ...more };
};
const refused = (name: string, kind: FlagKind, fallback: string, why: string, more: More = {}): Flag => {
  return { name, kind, fallback, effect: { kind: "refused", why }, ...more };
};

const noDiscovery =
  "discovery by another etcd is not supported: name all members in --initial-cluster, or in DNS for --discovery-srv";
const noV2 = "the v2 API is not there";
const noProxy = "the v2 proxy is not there";
const noBbolt = "the store is LevelDB, not bbolt";
const noCorruptionCheck =
  "a member checks its own files at every start and whatever it reads; members are not compared with each other";
const noTracing = "nothing is traced";
const leaseCheckpointsAreOn = "leases keep their remaining time unless --feature-gates=LeaseCheckpoint=false";

const followedGates = new Set(["LeaseCheckpoint", "LeaseCheckpointPersist"]);
const gatesOnInEtcd = new Set(["AllBeta", "FastLeaseKeepAlive", "TxnModeWriteWithSharedBuffer"]);

const gateWarning = (value: string): string | undefined => {
  const idle = [...givenGates(value)].filter(
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
    works("name", "string", "default", "name of this member"),
    works("data-dir", "string", "${name}.etcd", "where this member keeps its data"),
    refused("wal-dir", "string", "", "the log is part of the data directory: put --data-dir on the disk meant for it"),
    works("snapshot-count", "uint", "10000", "applied entries after which the log is cut (0: the default)"),
    works("snapshot-catchup-entries", "uint", "5000", "entries that stay in the log for members that are behind"),
    works("heartbeat-interval", "uint", "100", "milliseconds between a leader's heartbeats"),
    works("election-timeout", "uint", "1000", "milliseconds of silence after which a new leader is elected"),
    noEffect("initial-election-tick-advance", "bool", "true", "a start waits for one election timeout at most"),
    works("listen-peer-urls", "urls", "http://localhost:2380", "where to listen for other members"),
    works("listen-client-urls", "urls", "http://localhost:2379", "where to listen for clients"),
    noEffect("listen-client-http-urls", "urls", "", "nothing listens there: HTTP and gRPC share the client URLs"),
    noEffect("max-snapshots", "uint", "5", "a member keeps one store; snapshots are made when they are sent"),
    noEffect("max-wals", "uint", "5", "segments of the log are removed as --snapshot-count says"),
    noEffect("memory-mlock", "bool", "false", "Node cannot lock its memory"),
    works(
      "quota-backend-bytes",
      "int",
      "0",
      "size of the store at which it takes no more writes (0: 2 GiB; negative: no quota)",
    ),
    noEffect("backend-bbolt-freelist-type", "string", "map", noBbolt, { harmless: [""] }),
    noEffect("backend-batch-interval", "duration", "0s", noBbolt),
    noEffect("backend-batch-limit", "int", "0", noBbolt),
    works("max-txn-ops", "uint", "128", "most operations in a transaction"),
    works("max-request-bytes", "uint", "1572864", "largest write of a client"),
    works(
      "max-concurrent-streams",
      "uint32",
      "4294967295",
      "most calls and streams at a time on a client's connection",
    ),
    works(
      "grpc-keepalive-min-time",
      "duration",
      "5s",
      "shortest time between a client's pings; one that pings more often has to go",
    ),
    works("grpc-keepalive-interval", "duration", "2h0m0s", "time between pings to a client (0: none)"),
    works("grpc-keepalive-timeout", "duration", "20s", "wait for the answer before the connection is closed"),
    noEffect("socket-reuse-port", "bool", "false", "SO_REUSEPORT is not set"),
    noEffect("socket-reuse-address", "bool", "false", "SO_REUSEADDR is always set", { harmless: ["true"] }),
    works("enable-grpc-gateway", "bool", "true", "JSON over HTTP on the client URLs, for clients without gRPC"),
    noEffect("raft-read-timeout", "duration", "5s", "links between members have bounds of their own"),
    noEffect("raft-write-timeout", "duration", "5s", "links between members have bounds of their own"),
    works(
      "feature-gates",
      "gates",
      "",
      "LeaseCheckpoint=false or LeaseCheckpointPersist=false: a new leader gives leases that were not checkpointed before their full time; others have no effect",
      { warning: gateWarning },
    ),
  ],
};

const clustering: FlagGroup = {
  title: "Clustering",
  flags: [
    works("initial-advertise-peer-urls", "urls", "http://localhost:2380", "peer URLs to tell the cluster"),
    works("initial-cluster", "string", "${name}=${initial-advertise-peer-urls}", "name=peer-url,… of all members"),
    works("initial-cluster-state", { oneOf: ["new", "existing"] }, "new", 'how the cluster begins: only "new" yet'),
    works("initial-cluster-token", "string", "etcd-cluster", "tells clusters apart: ids depend on it"),
    works("advertise-client-urls", "urls", "http://localhost:2379", "client URLs to tell the cluster"),
    refused("discovery-token", "string", "", noDiscovery),
    refused("discovery-endpoints", "strings", "", noDiscovery),
    works(
      "discovery-srv",
      "string",
      "",
      "domain whose SRV records name the members of a new cluster, instead of --initial-cluster",
    ),
    works(
      "discovery-srv-name",
      "string",
      "",
      "end of the names of their services in DNS, _etcd-server-NAME._tcp, of several clusters in that domain",
    ),
    noEffect("discovery-dial-timeout", "duration", "2s", noDiscovery),
    noEffect("discovery-request-timeout", "duration", "5s", noDiscovery),
    noEffect("discovery-keepalive-time", "duration", "2s", noDiscovery),
    noEffect("discovery-keepalive-timeout", "duration", "6s", noDiscovery),
    noEffect("discovery-insecure-transport", "bool", "true", noDiscovery),
    noEffect("discovery-insecure-skip-tls-verify", "bool", "false", noDiscovery),
    noEffect("discovery-cert", "string", "", noDiscovery),
    noEffect("discovery-key", "string", "", noDiscovery),
    noEffect("discovery-cacert", "string", "", noDiscovery),
    noEffect("discovery-user", "string", "", noDiscovery),
    noEffect("discovery-password", "string", "", noDiscovery),
    noEffect("discovery-fallback", { oneOf: ["exit", "proxy"] }, "exit", noDiscovery, {
      isCommandLineOnly: true,
      check: (value) =>
        value === "proxy"
          ? `v2 proxy is deprecated, and --discovery-fallback can't be configured as "proxy"`
          : undefined,
    }),
    noEffect("strict-reconfig-check", "bool", "true", "there are no member changes yet"),
    noEffect("pre-vote", "bool", "true", "a candidate always asks first"),
    works(
      "auto-compaction-retention",
      "string",
      "0",
      "history that auto-compaction leaves: 5m, 2 (hours) or revisions (0: all)",
    ),
    works("auto-compaction-mode", "string", "periodic", "periodic: by time; revision: by number", {
      check: (value) => {
        if (value === "") return "undefined auto-compaction-mode";
        return value === "periodic" || value === "revision" ? undefined : `unknown auto-compaction-mode "${value}"`;
      },
    }),
    noEffect(
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
    works("cert-file", "string", "", "certificate of the client URLs with https, PEM; read again when it changes"),
    works("key-file", "string", "", "private key of that certificate"),
    noEffect("client-cert-file", "string", "", noOwnClient),
    noEffect("client-key-file", "string", "", noOwnClient),
    works("client-cert-auth", "bool", "false", "clients have to present a certificate; its common name is the user"),
    works("client-crl-file", "string", "", "revoked certificates of clients, a list in DER or PEM"),
    works(
      "client-cert-allowed-hostname",
      "strings",
      "",
      "names, for one of which a client's certificate must be valid",
    ),
    works("trusted-ca-file", "string", "", "authorities of clients' certificates, which are required then"),
    works("auto-tls", "bool", "false", "makes a certificate for the client URLs, signed by itself"),
    works("peer-cert-file", "string", "", "certificate of the peer URLs with https, PEM; read again when it changes"),
    works("peer-key-file", "string", "", "private key of that certificate"),
    works("peer-client-cert-file", "string", "", "certificate to present to other members, if not --peer-cert-file"),
    works("peer-client-key-file", "string", "", "private key of that certificate"),
    works("peer-client-cert-auth", "bool", "false", "members have to present a certificate"),
    works("peer-trusted-ca-file", "string", "", "authorities of members' certificates, which are required then"),
    works("peer-auto-tls", "bool", "false", "makes a certificate for the peer URLs; those of others are not checked"),
    works("peer-crl-file", "string", "", "revoked certificates of members, a list in DER or PEM"),
    works("peer-cert-allowed-cn", "strings", "", "common names, one of which a member's certificate must have"),
    works("peer-cert-allowed-hostname", "strings", "", "names, for one of which a member's certificate must be valid"),
    works(
      "peer-skip-client-san-verification",
      "bool",
      "false",
      "a member may connect from a host that its certificate does not name",
    ),
    works("cipher-suites", "strings", "", "cipher suites of TLS 1.2, by their names in Go (none: Node's choice)"),
    works(
      "self-signed-cert-validity",
      "uint",
      "1",
      "years that certificates of --auto-tls and --peer-auto-tls are valid",
    ),
    works("tls-min-version", "string", "TLS1.2", "oldest version of TLS: TLS1.2 or TLS1.3", { check: tlsVersion }),
    works("tls-max-version", "string", "", "newest version of TLS (none: the newest there is)", { check: tlsVersion }),
    works("cors", "origins", "*", "origins of web pages that may read what HTTP serves (* or none: all)"),
    works("host-whitelist", "strings", "*", "host names under which HTTP is served (* or none: all)"),
  ],
};

const auth: FlagGroup = {
  title: "Auth",
  flags: [
    works(
      "auth-token",
      "string",
      "simple",
      "tokens of logins: simple, or jwt,sign-method=…,priv-key=FILE,pub-key=FILE,ttl=10m (a public key alone verifies)",
      { warning: authTokenWarning },
    ),
    works("bcrypt-cost", "uint", "10", "cost of a password's hash, 4 to 31 (out of range: 10)", {
      warning: bcryptCostWarning,
    }),
    works(
      "auth-token-ttl",
      "uint",
      "300",
      "seconds for which a simple token is good after its last use (0: the default)",
    ),
  ],
};

const monitoring: FlagGroup = {
  title: "Profiling and monitoring",
  flags: [
    noEffect("enable-pprof", "bool", "false", "there are no profiles: use node --cpu-prof"),
    works("metrics", "string", "basic", "extensive: metrics also have the time that calls take"),
    works(
      "listen-metrics-urls",
      "urls",
      "",
      "where to listen for requests of metrics and health alone; https has the TLS of the client URLs",
    ),
    noEffect("warning-apply-duration", "duration", "100ms", "slow requests are not logged"),
    noEffect("warning-unary-request-duration", "duration", "300ms", "slow requests are not logged"),
    noEffect("enable-distributed-tracing", "bool", "false", noTracing),
    noEffect("distributed-tracing-address", "string", "localhost:4317", noTracing),
    noEffect("distributed-tracing-service-name", "string", "etcd", noTracing),
    noEffect("distributed-tracing-instance-id", "string", "", noTracing),
    noEffect("distributed-tracing-sampling-rate", "int", "0", noTracing),
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
    noEffect("logger", "string", "zap", "lines are written as zap writes them", { check: logger }),
    works("log-outputs", "strings", "default", "stderr (default), stdout or files, comma-separated"),
    works("log-level", { oneOf: logLevels }, "info", "debug, info, warn, error, panic or fatal"),
    works("log-format", "string", "json", "json or console", { check: logFormat }),
    refused(
      "enable-log-rotation",
      "bool",
      "false",
      "log files are not rotated: they would grow without bound, use logrotate with copytruncate",
    ),
    noEffect(
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
    noEffect("corrupt-check-time", "duration", "0s", noCorruptionCheck),
    noEffect("compact-hash-check-time", "duration", "1m0s", noCorruptionCheck, {
      check: (value) =>
        value.startsWith("-") || Number.parseFloat(value) === 0
          ? `--compact-hash-check-time must be >0 (set to ${value === "0" ? "0s" : value})`
          : undefined,
    }),
    noEffect("compaction-batch-limit", "int", "0", "a compaction gives way to requests by itself", {
      harmless: ["1000"],
    }),
    noEffect("compaction-sleep-interval", "duration", "0s", "a compaction gives way to requests by itself"),
    works(
      "watch-progress-notify-interval",
      "duration",
      "10m0s",
      "silence after which a watch that asks for it is told how far it is",
    ),
    noEffect("bootstrap-defrag-threshold-megabytes", "uint", "0", "LevelDB gives space back by itself"),
    noEffect("max-learners", "int", "1", "there are no learners yet"),
    noEffect("downgrade-check-time", "duration", "5s", "there are no downgrades"),
  ],
};

const unsafe: FlagGroup = {
  title: "Unsafe",
  flags: [
    refused(
      "force-new-cluster",
      "bool",
      "false",
      "a member cannot leave its cluster with its data: start a new cluster in another directory",
    ),
    works(
      "unsafe-no-fsync",
      "bool",
      "false",
      "nothing is synced: a power cut or a crash of the system may lose or damage data",
    ),
  ],
};

const old = (flag: Flag, until: "3.4" | "3.5" | "3.6"): Flag => ({ ...flag, until });

/** 3.4 to 3.6 have these flags of 3.7 under names of experiments. */
const experimental = (
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

/** The flag of the same name, without "experimental-". */
const twin = (name: string, until?: "3.4"): Flag => {
  const { kind = "string", fallback = "" } = byName.get(name) ?? {};
  return experimental(name, name, kind, fallback, until);
};

const proxyMs = (name: string, fallback: string): Flag =>
  old(noEffect(`proxy-${name}`, "uint", fallback, noProxy), "3.5");

const older: FlagGroup = {
  title: "Flags of etcd 3.4 to 3.6 that 3.7 has no more",
  flags: [
    ...["bootstrap-defrag-threshold-megabytes", "compact-hash-check-time", "compaction-batch-limit"].map((name) =>
      twin(name),
    ),
    ...["compaction-sleep-interval", "corrupt-check-time", "distributed-tracing-address"].map((name) => twin(name)),
    ...["distributed-tracing-instance-id", "distributed-tracing-sampling-rate"].map((name) => twin(name)),
    ...["distributed-tracing-service-name", "downgrade-check-time", "enable-distributed-tracing"].map((name) =>
      twin(name),
    ),
    ...["memory-mlock", "peer-skip-client-san-verification", "snapshot-catchup-entries"].map((name) => twin(name)),
    ...["warning-apply-duration", "warning-unary-request-duration", "watch-progress-notify-interval"].map((name) =>
      twin(name),
    ),
    twin("backend-bbolt-freelist-type", "3.4"),
    old(noEffect("experimental-compact-hash-check-enabled", "bool", "false", noCorruptionCheck), "3.6"),
    old(noEffect("experimental-initial-corrupt-check", "bool", "false", noCorruptionCheck), "3.6"),
    old(
      noEffect("experimental-enable-lease-checkpoint", "bool", "false", leaseCheckpointsAreOn, { harmless: ["true"] }),
      "3.6",
    ),
    old(
      noEffect("experimental-enable-lease-checkpoint-persist", "bool", "false", leaseCheckpointsAreOn, {
        harmless: ["true"],
      }),
      "3.6",
    ),
    old(
      noEffect("experimental-stop-grpc-service-on-defrag", "bool", "false", "a defragmentation holds up nobody"),
      "3.6",
    ),
    old(noEffect("experimental-txn-mode-write-with-shared-buffer", "bool", "true", noBbolt), "3.6"),
    old(refused("experimental-enable-v2v3", "string", "", noV2), "3.5"),
    old(refused("enable-v2", "bool", "false", noV2), "3.5"),
    old(refused("discovery", "string", "", noDiscovery), "3.6"),
    old(noEffect("discovery-proxy", "string", "", noDiscovery), "3.6"),
    old(refused("proxy", { oneOf: ["off", "readonly", "on"] }, "off", noProxy), "3.5"),
    proxyMs("failure-wait", "5000"),
    proxyMs("refresh-interval", "30000"),
    proxyMs("dial-timeout", "1000"),
    proxyMs("write-timeout", "5000"),
    proxyMs("read-timeout", "0"),
    old(noEffect("debug", "bool", "false", "use --log-level=debug"), "3.4"),
    old(noEffect("log-package-levels", "string", "", "use --log-level"), "3.4"),
    {
      name: "log-output",
      kind: "strings",
      fallback: "default",
      until: "3.4",
      effect: { kind: "same-as", flag: "log-outputs" },
    },
    old(noEffect("next-cluster-version-compatible", "bool", "false", "it is about leaving etcd 3.4"), "3.4"),
  ],
};

/** etcd takes these and ignores them, whatever their value. */
const ignoredByEtcd: FlagGroup = {
  title: "Flags that etcd itself ignores",
  flags: [
    ...["cluster-active-size", "cluster-remove-delay", "cluster-sync-interval", "config", "force"],
    ...["max-result-buffer", "max-retry-attempts", "peer-heartbeat-interval", "peer-election-timeout"],
    ...["retry-interval", "snapshot", "v", "vv", "test.coverprofile", "test.outputdir"],
  ].map((name) => noEffect(name, "any", "", "etcd ignores it, too")),
};

/** The flag that is not among the settings: it tells where they are. */
const configFile: FlagGroup = {
  title: "Configuration file",
  flags: [works("config-file", "string", "", "YAML file with all settings; other flags and variables are ignored")],
};

/** minietcd's own. */
const own: FlagGroup = {
  title: "Flags that etcd does not have",
  flags: [
    works(
      "emulated-version",
      { oneOf: emulatedVersions },
      "3.7",
      "minor version of etcd to report; 3.6 has no RangeStream",
    ),
    works("memory", "bool", "false", "all data is in memory, and lost when the member ends; for tests and trials"),
    works(
      "auto-disarm-nospace",
      "bool",
      "false",
      "deactivate this member's alarm NOSPACE once the store is below nine tenths of its quota again",
    ),
    works("audit-log", "string", "", "file that gets a line of JSON for each change that a client asks for"),
    works(
      "rpc-engine",
      { oneOf: ["native", "grpc-js"] },
      "native",
      "implementation of gRPC that serves clients: our own over sockets, or @grpc/grpc-js",
    ),
    works(
      "client-cert-allowed-cn",
      "strings",
      "",
      "common names, one of which a client's certificate must have (in etcd's file: client-transport-security.allowed-cn)",
    ),
  ],
};

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

export const allFlags: readonly Flag[] = flagGroups.flatMap(({ flags }) => flags);

const flags: ReadonlyMap<string, Flag> = new Map(allFlags.map((flag) => [flag.name, flag]));

export const findFlag = (name: string): Flag | undefined => flags.get(name);

import {
  type EmulatedVersion,
  emulatedVersions,
  type LogFormat,
  type LogLevel,
  logLevels,
  type MemberUrl,
  mustBeBindable,
  mustBeConnectable,
  parseMemberUrls,
  StartError,
  UrlError,
} from "../base/index.js";
import { type AuthFlags, type AuthSettings, defaultAuthFlags, readAuthSettings } from "./auth-settings.js";
import { durationMs, FlagValueError, featureGatesOf } from "./flag-values.js";
import { FlagError, readList, readNumber, readSwitch } from "./read-flag.js";
import { defaultTlsFlags, type MemberTls, readTls, type TlsServerFlags } from "./tls-flags.js";

export { FlagError } from "./read-flag.js";

/** A member in `--initial-cluster`. */
export interface InitialMember {
  readonly name: string;
  readonly peerUrls: readonly string[];
}

/** A domain whose SRV records name the members of a new cluster. */
export interface DnsDiscovery {
  readonly domain: string;
  /** Distinguishes several clusters of one domain: a suffix of the services' names; "": none. */
  readonly serviceName: string;
}

/** Automatic compaction of the history. */
export type AutoCompaction =
  /** Revisions older than this, in milliseconds, are removed. */
  | { readonly mode: "periodic"; readonly retentionMs: number }
  /** The number of revisions to keep. */
  | { readonly mode: "revision"; readonly retention: number };

/** The settings of a member, in groups. Durations in milliseconds, sizes in bytes. */
export interface MemberConfig {
  readonly member: GeneralConfig;
  readonly urls: UrlConfig;
  readonly initialCluster: InitialClusterConfig;
  readonly raft: RaftConfig;
  readonly store: StoreConfig;
  readonly clients: ClientConfig;
  readonly security: SecurityConfig;
  readonly monitoring: MonitoringConfig;
}

/** The member itself: its name, its data, and the release that it reports. */
export interface GeneralConfig {
  readonly name: string;
  readonly dataDir: string;
  /** The storage: files with synced writes, files without syncs (etcd: `--unsafe-no-fsync`), or memory. */
  readonly storage: "disk" | "unsynced disk" | "memory";
  /** The etcd release that the member reports. */
  readonly emulatedVersion: EmulatedVersion;
  /** Whether the idle member serves requests on a temporary cluster, so that V8 compiles its code. */
  readonly warmUp: boolean;
}

/** The URLs to bind, and those that are advertised to clients and peers. */
export interface UrlConfig {
  readonly listenClient: readonly MemberUrl[];
  readonly advertiseClient: readonly MemberUrl[];
  readonly listenPeer: readonly MemberUrl[];
  /** The peer URLs at the first start (etcd: `--initial-advertise-peer-urls`). */
  readonly advertisePeer: readonly MemberUrl[];
  /** URLs for metrics and health only. */
  readonly listenMetrics: readonly MemberUrl[];
}

/** The cluster that a member with an empty data directory begins. */
export interface InitialClusterConfig {
  /** The members from flags; empty with DNS discovery. */
  readonly members: readonly InitialMember[];
  /** False: `members` is derived from the name and `--initial-advertise-peer-urls`. */
  readonly isGiven: boolean;
  /** The domain with the members, in place of `members` (etcd: `--discovery-srv`, `--discovery-srv-name`). */
  readonly discovery: DnsDiscovery | undefined;
  readonly state: "new" | "existing";
  readonly token: string;
}

/** Elections, and the length of the log. */
export interface RaftConfig {
  readonly heartbeatMs: number;
  readonly electionMs: number;
  /** The number of applied entries after which the log is compacted (etcd: `--snapshot-count`). */
  readonly snapshotCount: number;
  /** The number of entries that a compaction of the log keeps for slow followers (etcd: `--snapshot-catchup-entries`). */
  readonly snapshotCatchUpEntries: number;
}

/** Keys, leases and watches: bounds of requests and of the store, compaction of the history, intervals. */
export interface StoreConfig {
  /** The maximum number of operations in one transaction (etcd: `--max-txn-ops`). */
  readonly maxTxnOps: number;
  /** The maximum size of a proposal (etcd: `--max-request-bytes`). */
  readonly maxRequestBytes: number;
  /** The quota; below 0: no quota (etcd: `--quota-backend-bytes`). */
  readonly quotaBytes: number;
  /** Whether this member deactivates its alarm NOSPACE once there is space again. */
  readonly shouldDisarmItself: boolean;
  /** Undefined: only clients compact the history. */
  readonly autoCompaction: AutoCompaction | undefined;
  /**
   * The interval of a lease's checkpoints: after a change of leader the lease has its remaining time, except for up to one
   * interval (etcd: `--feature-gates=LeaseCheckpoint=…`). Undefined: a new leader restarts the full TTL.
   */
  readonly leaseCheckpointMs: number | undefined;
  /** The interval of progress notices for watchers that request them (etcd: `--watch-progress-notify-interval`). */
  readonly watchProgressMs: number;
}

/** The ports for clients: gRPC, the JSON gateway, and access over HTTP. */
export interface ClientConfig {
  /** The gRPC engine. */
  readonly rpcEngine: "native" | "grpc-js";
  /** Concurrent calls and streams of a client's connection; undefined: no limit (etcd: `--max-concurrent-streams`). */
  readonly maxConcurrentStreams: number | undefined;
  /** The interval of pings to a client; undefined: no pings (etcd: `--grpc-keepalive-interval`). */
  readonly keepAliveMs: number | undefined;
  /** The time for the answer to a ping (etcd: `--grpc-keepalive-timeout`). */
  readonly keepAliveTimeoutMs: number;
  /** The minimum interval of a client's pings while a call is open (etcd: `--grpc-keepalive-min-time`). */
  readonly minPingIntervalMs: number;
  /** Whether the JSON gateway is on, for clients without gRPC (etcd: `--enable-grpc-gateway`). */
  readonly gateway: boolean;
  /** Origins of web pages, and host names, with access over HTTP; `*` or none: all (etcd: `--cors`, `--host-whitelist`). */
  readonly origins: readonly string[];
  readonly hosts: readonly string[];
}

/** Certificates, and the login of users. */
export interface SecurityConfig {
  readonly tls: MemberTls;
  readonly auth: AuthSettings;
}

/** Logs and metrics. */
export interface MonitoringConfig {
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** `stderr`, `stdout` or paths of files. */
  readonly logOutputs: readonly string[];
  /** The file of the audit log, which has a line for each change that a client requests; undefined: none. */
  readonly auditLog: string | undefined;
  /** Extensive: also durations of calls, by method. */
  readonly metrics: "basic" | "extensive";
}

/** The flags of `minietcd`, with etcd's names and defaults; all values are text, as on the command line. docs/flags.md describes each. */
export interface ServerFlags extends TlsServerFlags, AuthFlags {
  readonly name: string;
  readonly dataDir: string | undefined;
  readonly listenClientUrls: string | undefined;
  readonly advertiseClientUrls: string | undefined;
  readonly listenPeerUrls: string;
  readonly initialAdvertisePeerUrls: string;
  readonly initialCluster: string | undefined;
  readonly discoverySrv: string;
  readonly discoverySrvName: string;
  readonly initialClusterState: string;
  readonly initialClusterToken: string;
  readonly heartbeatInterval: string;
  readonly electionTimeout: string;
  readonly maxTxnOps: string;
  readonly maxRequestBytes: string;
  readonly snapshotCount: string;
  readonly snapshotCatchupEntries: string;
  readonly watchProgressNotifyInterval: string;
  readonly quotaBackendBytes: string;
  readonly autoDisarmNospace: string;
  readonly featureGates: string;
  readonly autoCompactionMode: string;
  readonly autoCompactionRetention: string;
  readonly maxConcurrentStreams: string;
  readonly grpcKeepaliveMinTime: string;
  readonly grpcKeepaliveInterval: string;
  readonly grpcKeepaliveTimeout: string;
  readonly memory: string;
  readonly unsafeNoFsync: string;
  readonly enableGrpcGateway: string;
  readonly cors: string;
  readonly hostWhitelist: string;
  readonly rpcEngine: string;
  readonly emulatedVersion: string;
  readonly metrics: string;
  readonly listenMetricsUrls: string;
  readonly auditLog: string;
  readonly warmUp: string;
  readonly logLevel: string;
  readonly logFormat: string;
  readonly logOutputs: string;
}

/** The values of flags that are not set: etcd's defaults. */
export const defaultFlags: ServerFlags = {
  name: "default",
  dataDir: undefined,
  listenClientUrls: undefined,
  advertiseClientUrls: undefined,
  listenPeerUrls: "http://localhost:2380",
  initialAdvertisePeerUrls: "http://localhost:2380",
  initialCluster: undefined,
  discoverySrv: "",
  discoverySrvName: "",
  initialClusterState: "new",
  initialClusterToken: "etcd-cluster",
  heartbeatInterval: "100",
  electionTimeout: "1000",
  maxTxnOps: "128",
  maxRequestBytes: "1572864",
  snapshotCount: "10000",
  snapshotCatchupEntries: "5000",
  watchProgressNotifyInterval: "10m0s",
  quotaBackendBytes: "0",
  autoDisarmNospace: "false",
  featureGates: "",
  autoCompactionMode: "periodic",
  autoCompactionRetention: "0",
  maxConcurrentStreams: "4294967295",
  grpcKeepaliveMinTime: "5s",
  grpcKeepaliveInterval: "2h0m0s",
  grpcKeepaliveTimeout: "20s",
  memory: "false",
  unsafeNoFsync: "false",
  enableGrpcGateway: "true",
  cors: "*",
  hostWhitelist: "*",
  rpcEngine: "native",
  emulatedVersion: "3.7",
  metrics: "basic",
  listenMetricsUrls: "",
  auditLog: "",
  warmUp: "true",
  logLevel: "info",
  logFormat: "json",
  logOutputs: "default",
  ...defaultTlsFlags,
  ...defaultAuthFlags,
};

/** The engines, the default first. */
const rpcEngines = ["native", "grpc-js"] as const;

const defaultQuotaBytes = 2 * 1024 ** 3;
/** etcd's interval, in milliseconds. */
const leaseCheckpointMs = 5 * 60_000;
const defaultClientUrl = "http://localhost:2379";
const longestElectionMs = 50_000;
const shortestWatchProgressMs = 100;

/**
 * Parses and checks the flags together.
 *
 * @throws FlagError for a malformed value, StartError for contradictory values; both with etcd's texts
 */
export const configFromFlags = (flags: ServerFlags): MemberConfig => {
  const listenClientUrls = urls("listen-client-urls", flags.listenClientUrls ?? defaultClientUrl);
  const listenPeerUrls = urls("listen-peer-urls", flags.listenPeerUrls);
  const listenMetricsUrls = flags.listenMetricsUrls === "" ? [] : urls("listen-metrics-urls", flags.listenMetricsUrls);
  const advertisePeer = urls("initial-advertise-peer-urls", flags.initialAdvertisePeerUrls);
  const config: MemberConfig = {
    member: {
      name: flags.name,
      dataDir: flags.dataDir ?? `${flags.name}.etcd`,
      storage: storage(flags),
      emulatedVersion: oneOf("emulated-version", flags.emulatedVersion, emulatedVersions),
      warmUp: readSwitch("warm-up", flags.warmUp),
    },
    urls: {
      listenClient: listenClientUrls,
      advertiseClient: urls("advertise-client-urls", flags.advertiseClientUrls ?? defaultClientUrl),
      listenPeer: listenPeerUrls,
      advertisePeer,
      listenMetrics: listenMetricsUrls,
    },
    initialCluster: {
      members: parseInitialCluster(flags.initialCluster ?? defaultCluster(flags, advertisePeer)),
      isGiven: flags.initialCluster !== undefined,
      discovery: discovery(flags),
      state: oneOf("initial-cluster-state", flags.initialClusterState, ["new", "existing"]),
      token: flags.initialClusterToken,
    },
    raft: {
      heartbeatMs: count("heartbeat-interval", flags.heartbeatInterval),
      electionMs: count("election-timeout", flags.electionTimeout),
      // 0 means the default, as in etcd.
      snapshotCount: count("snapshot-count", flags.snapshotCount) || Number(defaultFlags.snapshotCount),
      snapshotCatchUpEntries: count("snapshot-catchup-entries", flags.snapshotCatchupEntries),
    },
    store: {
      maxTxnOps: count("max-txn-ops", flags.maxTxnOps),
      maxRequestBytes: count("max-request-bytes", flags.maxRequestBytes),
      // 0 means the default, as in etcd.
      quotaBytes: readNumber("quota-backend-bytes", "int", flags.quotaBackendBytes) || defaultQuotaBytes,
      shouldDisarmItself: readSwitch("auto-disarm-nospace", flags.autoDisarmNospace),
      autoCompaction: autoCompaction(flags),
      leaseCheckpointMs: hasLeaseCheckpoints(flags) ? leaseCheckpointMs : undefined,
      watchProgressMs: watchProgress(flags.watchProgressNotifyInterval),
    },
    clients: {
      rpcEngine: oneOf("rpc-engine", flags.rpcEngine, rpcEngines),
      maxConcurrentStreams: streamLimit(flags),
      ...keepAlive(flags),
      minPingIntervalMs: minPingInterval(flags),
      gateway: readSwitch("enable-grpc-gateway", flags.enableGrpcGateway),
      origins: readList("cors", "origins", flags.cors),
      hosts: readList("host-whitelist", "strings", flags.hostWhitelist),
    },
    security: {
      tls: readTls(flags, { listenClientUrls, listenPeerUrls, listenMetricsUrls }),
      auth: readAuthSettings(flags),
    },
    monitoring: {
      logLevel: oneOf("log-level", flags.logLevel, logLevels),
      logFormat: oneOf("log-format", flags.logFormat, ["json", "console"]),
      logOutputs: logOutputs(flags.logOutputs),
      auditLog: flags.auditLog === "" ? undefined : flags.auditLog,
      metrics: flags.metrics === "extensive" ? "extensive" : "basic", // any other text means basic, as in etcd
    },
  };
  checkUrls(config.urls, flags);
  checkBootstrap(flags);
  checkTimes(config.raft);
  return config;
};

const urls = (flag: string, value: string): MemberUrl[] => {
  try {
    return parseMemberUrls(value);
  } catch (error) {
    if (error instanceof UrlError) throw new FlagError(`invalid value "${value}" for flag -${flag}: ${error.message}`);
    throw error;
  }
};

/**
 * Returns a cluster of this member alone, or none with DNS discovery; as in etcd, the name of a service is enough for the
 * latter.
 */
const defaultCluster = (
  { name, discoverySrv, discoverySrvName }: ServerFlags,
  advertisePeer: readonly MemberUrl[],
): string =>
  discoverySrv + discoverySrvName === "" ? advertisePeer.map(({ text }) => `${name}=${text}`).join(",") : "";

const discovery = ({ discoverySrv, discoverySrvName }: ServerFlags): DnsDiscovery | undefined =>
  discoverySrv === "" ? undefined : { domain: discoverySrv, serviceName: discoverySrvName };

/** @throws StartError for memory together with a data directory */
const storage = ({ memory, unsafeNoFsync, dataDir }: ServerFlags): GeneralConfig["storage"] => {
  const isInMemory = readSwitch("memory", memory);
  const isUnsynced = readSwitch("unsafe-no-fsync", unsafeNoFsync);
  if (!isInMemory) return isUnsynced ? "unsynced disk" : "disk";
  if (dataDir !== undefined)
    throw new StartError(`--memory keeps nothing in a data directory: leave out --data-dir (${dataDir}), or --memory`);
  return "memory";
};

const count = (flag: string, value: string): number => readNumber(flag, "uint", value);

const duration = (flag: string, value: string): number => readNumber(flag, "duration", value);

/** Parses the interval of progress notices: a short one is raised, and 0 or less means the default, as in etcd. */
const watchProgress = (value: string): number => {
  const given = duration("watch-progress-notify-interval", value);
  const interval =
    given > 0 ? given : duration("watch-progress-notify-interval", defaultFlags.watchProgressNotifyInterval);
  return Math.max(shortestWatchProgressMs, interval);
};

/** Whether checkpoints are on: by default, unlike in etcd. A checkpoint is always persistent, so either gate turns them off. */
const hasLeaseCheckpoints = ({ featureGates: text }: ServerFlags): boolean => {
  const given = featureGatesOf(text);
  const isOn = given.get("LeaseCheckpoint") ?? given.get("AllAlpha") ?? true;
  const isPersistent = given.get("LeaseCheckpointPersist") ?? isOn;
  if (isPersistent && !isOn && given.has("LeaseCheckpointPersist"))
    throw new StartError("enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint");
  return isOn && isPersistent;
};

const hourMs = 3_600_000;

const maxInt64 = 2n ** 63n - 1n;

/** Whether Go's `strconv.Atoi` parses the text as a non-negative number: `+5`, `08` and `-0` are valid. */
const isCount = (text: string): boolean => /^(\+?\d+|-0+)$/.test(text) && BigInt(text.replace("+", "")) <= maxInt64;

/** Parses the retention. A bare number is hours, or revisions; 0 is off. */
const autoCompaction = ({
  autoCompactionMode: mode,
  autoCompactionRetention: text,
}: ServerFlags): AutoCompaction | undefined => {
  if (mode !== "periodic" && mode !== "revision")
    throw new StartError(mode === "" ? "undefined auto-compaction-mode" : `unknown auto-compaction-mode "${mode}"`);
  const isNumber = isCount(text);
  if (text === "" || (isNumber && Number(text) === 0)) return undefined;
  if (mode === "revision") {
    if (!isNumber)
      throw new StartError(`error parsing CompactionRetention: mode revision needs a number, not "${text}"`);
    return { mode, retention: Math.min(Number(text), Number.MAX_SAFE_INTEGER) };
  }
  const retentionMs = isNumber ? Number(text) * hourMs : retentionOf(text);
  if (retentionMs === 0) return undefined;
  if (retentionMs < 0) throw new StartError(`error parsing CompactionRetention: "${text}" is negative`);
  return { mode, retentionMs };
};

const retentionOf = (text: string): number => {
  try {
    return durationMs(text);
  } catch (error) {
    if (!(error instanceof FlagValueError)) throw error;
    const problem = /^-?\d+$/.test(text) ? "missing unit in" : "invalid";
    throw new StartError(`error parsing CompactionRetention: time: ${problem} duration "${text}"`);
  }
};

/** The largest value, which means no limit, and announces none to clients; 0 means the same, as in etcd. */
const unlimitedStreams = 0xffff_ffff;

const streamLimit = (flags: ServerFlags): number | undefined => {
  const given = readNumber("max-concurrent-streams", "uint32", flags.maxConcurrentStreams);
  return given === 0 || given === unlimitedStreams ? undefined : given;
};

/** gRPC's minimum interval of pings, in milliseconds. */
const shortestKeepAliveMs = 1_000;
/** gRPC's minimum interval of a client's pings, in milliseconds; as in etcd, in force if the flag is not positive. */
const defaultMinPingIntervalMs = 5 * 60 * 1_000;

const minPingInterval = (flags: ServerFlags): number => {
  const given = duration("grpc-keepalive-min-time", flags.grpcKeepaliveMinTime);
  return given > 0 ? given : defaultMinPingIntervalMs;
};

const keepAlive = (flags: ServerFlags): Pick<ClientConfig, "keepAliveMs" | "keepAliveTimeoutMs"> => {
  const interval = duration("grpc-keepalive-interval", flags.grpcKeepaliveInterval);
  const timeout = duration("grpc-keepalive-timeout", flags.grpcKeepaliveTimeout);
  const isOff = interval <= 0 || timeout <= 0;
  return { keepAliveMs: isOff ? undefined : Math.max(shortestKeepAliveMs, interval), keepAliveTimeoutMs: timeout };
};

const logOutputs = (text: string): string[] => {
  const outputs = [...new Set(text.split(",").filter((output) => output !== ""))];
  if (outputs.length > 1 && outputs.includes("default"))
    throw new StartError('multi logoutput for "default" is not supported yet');
  // systemd passes standard error to its journal.
  return (outputs.length === 0 ? ["default"] : outputs).map((output) =>
    output === "default" || output === "systemd/journal" ? "stderr" : output,
  );
};

const oneOf = <Choice extends string>(flag: string, value: string, choices: readonly Choice[]): Choice => {
  const choice = choices.find((candidate) => candidate === value);
  if (choice === undefined)
    throw new FlagError(
      `invalid value "${value}" for flag -${flag}: invalid value, choose one of ${choices.join(", ")}`,
    );
  return choice;
};

/** Parses `name=url,name=url2,other=url3`; each URL of a name is an entry. */
const parseInitialCluster = (value: string): InitialMember[] => {
  const members = new Map<string, string[]>();
  for (const part of value.split(",").filter((text) => text.trim() !== "")) {
    const equals = part.indexOf("=");
    if (equals < 1) throw new StartError(`--initial-cluster has "${part}": expected name=peer-url`);
    const name = part.slice(0, equals).trim();
    const peerUrls = members.get(name) ?? [];
    members.set(name, peerUrls);
    try {
      peerUrls.push(...parseMemberUrls(part.slice(equals + 1)).map((url) => mustBeConnectable(url).text));
    } catch (error) {
      if (error instanceof UrlError) throw new StartError(`--initial-cluster has "${part}": ${error.message}`);
      throw error;
    }
  }
  return [...members].map(([name, peerUrls]) => ({ name, peerUrls: peerUrls.sort() }));
};

const checkUrls = ({ listenPeer, listenClient, listenMetrics }: UrlConfig, flags: ServerFlags): void => {
  if (flags.listenClientUrls !== undefined && flags.advertiseClientUrls === undefined)
    throw new StartError("--advertise-client-urls is required when --listen-client-urls is set explicitly");
  const listen = [...listenPeer, ...listenClient, ...listenMetrics];
  try {
    listen.forEach(mustBeBindable);
  } catch (error) {
    if (error instanceof UrlError) throw new StartError(error.message);
    throw error;
  }
};

const checkBootstrap = ({ initialCluster, discoverySrv }: ServerFlags): void => {
  if ((initialCluster ?? "") !== "" && discoverySrv !== "")
    throw new StartError(
      "multiple discovery or bootstrap flags are set. " +
        'Choose one of "initial-cluster", "discovery-endpoints" or "discovery-srv"',
    );
};

const checkTimes = ({ heartbeatMs, electionMs }: RaftConfig): void => {
  if (heartbeatMs === 0) throw new StartError("--heartbeat-interval must be >0 (set to 0ms)");
  if (electionMs === 0) throw new StartError("--election-timeout must be >0 (set to 0ms)");
  if (5 * heartbeatMs > electionMs)
    throw new StartError(
      `--election-timeout[${electionMs}ms] should be at least as 5 times as --heartbeat-interval[${heartbeatMs}ms]`,
    );
  if (electionMs > longestElectionMs)
    throw new StartError(
      `--election-timeout[${electionMs}ms] is too long, and should be set less than ${longestElectionMs}ms`,
    );
};

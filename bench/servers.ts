import { execFileSync } from "node:child_process";
import type { TlsOptions } from "../client/index.js";
import { serverVersion } from "../server/index.js";
import { createEtcdCluster, type EtcdCluster, type ServerKind } from "../test/support/etcd-process.js";

/** A server to measure. */
export interface Server {
  readonly kind: ServerKind;
  readonly label: string;
  /** The program; absent: etcd on the PATH, or the built minietcd. */
  readonly program?: string;
  /** TLS of the client ports; absent: they have none. */
  readonly tls?: ServerTls;
}

/** TLS of a server: its flags, and the options of a client. */
export interface ServerTls {
  readonly flags: readonly string[];
  readonly options: TlsOptions;
}

/** Returns the version of a program of etcd; undefined if the program does not exist. */
export const versionOfEtcd = (program = "etcd"): string | undefined => {
  try {
    return /etcd Version: (\S+)/.exec(execFileSync(program, ["--version"], { encoding: "utf8" }))?.[1];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
};

/** Returns minietcd, and real etcd if it is on the PATH. */
export const findServers = (): Server[] => {
  const etcd = versionOfEtcd();
  const servers: Server[] = [{ kind: "minietcd", label: `minietcd (API ${serverVersion})` }];
  if (etcd !== undefined) servers.push({ kind: "etcd", label: `etcd ${etcd}` });
  return servers;
};

/** Returns further versions of etcd: the programs in BENCH_ETCD, separated by commas. */
export const findOtherEtcds = (): Server[] =>
  (process.env["BENCH_ETCD"] ?? "")
    .split(",")
    .filter((program) => program !== "")
    .map((program) => ({ kind: "etcd", label: `etcd ${versionOfEtcd(program) ?? program}`, program }));

/** Members of tests do not warm up; here they do, as those of users. */
const warmUp = { ETCD_WARM_UP: "true" } as const;

/** Creates members that log only errors. The caller starts them. */
export const createMembers = ({ kind, program }: Pick<Server, "kind" | "program">, members = 3): Promise<EtcdCluster> =>
  createEtcdCluster({
    kind,
    members,
    flags: ["--log-level=error"],
    environment: kind === "minietcd" ? warmUp : {},
    ...(program === undefined ? {} : { program }),
  });

/** Returns the process ids of all members. */
export const pidsOf = (cluster: EtcdCluster): number[] => cluster.members.map(({ pid }) => pid);

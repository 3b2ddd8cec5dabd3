import { join } from "node:path";

/** Flags of `minietcd cluster`. Each list of ports has one port for each member, in the order of the members. */
export interface ClusterFlags {
  readonly dataDir: string;
  readonly clientPorts: readonly number[];
  readonly peerPorts: readonly number[];
  readonly fresh: boolean;
  /** Whether the members keep their data only in memory. */
  readonly memory: boolean;
  /** Whether clients are served over TLS, with a certificate that is made for the cluster. */
  readonly autoTls: boolean;
  /** Whether the members warm up. */
  readonly warmUp: boolean;
  /** The member to rebuild from the other members' data before the start; undefined: none. */
  readonly resetMember?: string;
}

/** The defaults: three members, with etcd's usual ports. */
export const defaultClusterFlags = {
  dataDir: "data",
  clientPorts: [2379, 22379, 32379],
  peerPorts: [2380, 22380, 32380],
} as const;

/** A member of the cluster: its name, ports, data directory and log file, from the flags. */
export interface MemberPlace {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly dataDir: string;
  readonly log: string;
  /** Arguments of `minietcd` that start the member. */
  readonly args: readonly string[];
}

/** Returns the members that the flags describe, one for each client port. */
export const memberPlaces = (flags: ClusterFlags): MemberPlace[] =>
  flags.clientPorts.map((clientPort, position) => {
    const name = nameOf(position);
    const peerPort = flags.peerPorts[position] ?? 0;
    const dataDir = join(flags.dataDir, name);
    const args = memberArgs(flags, { name, dataDir, clientPort, peerPort });
    return { name, clientPort, peerPort, dataDir, log: `${dataDir}.log`, args };
  });

/** Returns the directory of the certificate that is made for a cluster with --auto-tls. */
export const certificateFolder = ({ dataDir }: Pick<ClusterFlags, "dataDir">): string => join(dataDir, "tls");

/** Returns the certificate of the members of a cluster with --auto-tls, which clients trust as an authority. */
export const certificateFile = (flags: Pick<ClusterFlags, "dataDir">): string =>
  join(certificateFolder(flags), "cert.pem");

/** Returns the URL of a member's client port. */
export const clientUrlOf = ({ autoTls }: Pick<ClusterFlags, "autoTls">, clientPort: number): string =>
  `${autoTls ? "https" : "http"}://127.0.0.1:${clientPort}`;

const nameOf = (position: number): string => `m${position + 1}`;

const memberArgs = (
  flags: ClusterFlags,
  { name, dataDir, clientPort, peerPort }: Omit<MemberPlace, "args" | "log">,
): string[] => {
  const { peerPorts, memory, autoTls, warmUp } = flags;
  const client = clientUrlOf(flags, clientPort);
  const peer = `http://127.0.0.1:${peerPort}`;
  return [
    ["--name", name],
    memory ? ["--memory"] : ["--data-dir", dataDir],
    autoTls ? ["--cert-file", certificateFile(flags), "--key-file", join(certificateFolder(flags), "key.pem")] : [],
    warmUp ? [] : ["--warm-up=false"],
    ["--listen-client-urls", client],
    ["--advertise-client-urls", client],
    ["--listen-peer-urls", peer],
    ["--initial-advertise-peer-urls", peer],
    ["--initial-cluster", peerPorts.map((port, n) => `${nameOf(n)}=http://127.0.0.1:${port}`).join(",")],
    ["--initial-cluster-token", "minietcd-cluster"],
  ].flat();
};

/** Returns the flags with which `minietcd cluster` starts this cluster again, without flags that have their defaults. */
export const clusterArgs = (flags: ClusterFlags): string[] => {
  const { dataDir, clientPorts, peerPorts, memory, autoTls, warmUp } = flags;
  const given: [string, string, string][] = [
    ["--data-dir", dataDir, defaultClusterFlags.dataDir],
    ["--client-ports", clientPorts.join(), defaultClusterFlags.clientPorts.join()],
    ["--peer-ports", peerPorts.join(), defaultClusterFlags.peerPorts.join()],
  ];
  const words = given.filter(([, value, fallback]) => value !== fallback).flatMap(([flag, value]) => [flag, value]);
  return [
    ...words,
    ...(memory ? ["--memory"] : []),
    ...(autoTls ? ["--auto-tls"] : []),
    ...(warmUp ? [] : ["--no-warm-up"]),
  ];
};

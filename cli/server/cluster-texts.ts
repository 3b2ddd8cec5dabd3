// The texts of `minietcd cluster`. The commands in the texts run as pasted into a shell.

import { join, relative } from "node:path";
import { certificateFile, clientUrlOf, clusterArgs, type ClusterFlags } from "./cluster-flags.js";
import { minietcdProgram, type MemberProcess } from "./member-process.js";

/** Returns the number of members in the smallest majority. */
export const quorumOf = (members: number): number => Math.floor(members / 2) + 1;

/** Returns the command that runs one of our programs with `node`, from the current directory. */
const command = (program: string, ...words: readonly string[]): string =>
  ["node", relative(process.cwd(), program), ...words].map(quote).join(" ");

/** Quotes a word for a shell, if necessary. */
const quote = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

/** Returns the command that starts a member by hand. */
export const startCommand = ({ place }: MemberProcess): string => command(minietcdProgram, ...place.args);

const verifyCommand = ({ place }: MemberProcess): string =>
  command(minietcdProgram, "verify", "--data-dir", place.dataDir);

/**
 * Returns the table of running members, and commands to try.
 *
 * @param leader the leader's id as hex digits; "": unknown
 */
export const runningText = (flags: ClusterFlags, running: readonly MemberProcess[], leader: string): string => {
  const rows = running.map((member) => [
    member.name,
    member.id,
    clientUrlOf(flags, member.place.clientPort),
    `http://127.0.0.1:${member.place.peerPort}`,
    String(member.pid),
    member.id === leader ? "leader" : "follower",
  ]);
  const urls = running.map(({ place }) => clientUrlOf(flags, place.clientPort).replace("http://", ""));
  const trust = flags.autoTls ? [`--cacert=${relative(process.cwd(), certificateFile(flags))}`] : [];
  const ctl = command(join(minietcdProgram, "..", "minietcdctl.js"), `--endpoints=${urls.join(",")}`, ...trust);
  const examples = ["put greeting hello", "get greeting", "endpoint status", "member list"];
  return [
    `\n${table([["MEMBER", "ID", "CLIENTS", "PEERS", "PID", "ROLE"], ...rows])}\n`,
    "Try in another terminal (etcdctl takes the same commands):",
    ...examples.map((example) => `  ${ctl} ${example}`),
  ].join("\n");
};

/** The text about data that was made with other peer ports, which a cluster keeps. */
export const otherPeerPortsText = ({ dataDir }: ClusterFlags, { name, place }: MemberProcess, used: string): string =>
  [
    `The cluster in ${dataDir}/ was started with other --peer-ports, and keeps them: ${name} has ${used}, not ${place.peerPort}.`,
    "Start it with the --peer-ports of its first start (--client-ports can change), or start an empty cluster with --fresh",
    "or another --data-dir.",
  ].join("\n");

/** The text about members whose data was in memory: they cannot be started again. */
export const goneText =
  "A member with data in memory cannot be restarted: it has lost its data, and the others refuse it. Stop this cluster, and start it again.";

/** The text about members that do not run: whether the others are a quorum, and the commands that start the missing members. */
export const missingText = (flags: ClusterFlags, missing: readonly MemberProcess[], running: number): string => {
  const all = flags.clientPorts.length;
  const quorum = quorumOf(all);
  const have = `\n${running} of ${all} members ${running === 1 ? "runs" : "run"}`;
  return [
    running >= quorum
      ? `${have}, which is a quorum: reads and writes are served.`
      : `${have}, but a quorum needs ${quorum}. Until another member is started, requests are not served.`,
    ...(missing.every(isPortTaken) ? portAdvice : []),
    ...(flags.memory ? [goneText] : startAdvice(flags, missing)),
  ].join("\n");
};

const startAdvice = (flags: ClusterFlags, missing: readonly MemberProcess[]): readonly string[] => [
  "Once the problem is fixed, start a missing member with",
  ...missing.map((member) => `  ${startCommand(member)}`),
  ...(missing.every(isPortTaken) ? [] : dataAdvice(flags, missing)),
];

const isPortTaken = ({ failure }: MemberProcess): boolean => failure?.includes("address already in use") === true;

const portAdvice = [
  "Another program uses the ports: stop it, or choose other ports with --client-ports and --peer-ports; for an example:",
  `  ${command(minietcdProgram, "cluster", "--help")}`,
];

const dataAdvice = (flags: ClusterFlags, missing: readonly MemberProcess[]): readonly string[] => [
  "To check its files and see the remedies, run",
  ...missing.map((member) => `  ${verifyCommand(member)}`),
  ...resetAdvice(flags, missing),
  "To start over with an empty cluster, stop this one, and start it with the data of all members removed:",
  `  ${command(minietcdProgram, "cluster", ...clusterArgs(flags), "--fresh")}`,
];

/** Returns the advice to rebuild a member with `--reset-member`, which needs the data of all other members. */
const resetAdvice = (flags: ClusterFlags, [lost, another]: readonly MemberProcess[]): readonly string[] => {
  const never = "Do not empty the directory of one member: the others would refuse the member (docs/reliability.md).";
  if (lost === undefined || another !== undefined || flags.clientPorts.length === 1) return [never];
  return [
    `${never} If its data`,
    "is lost or damaged, stop this cluster, and start it with that member rebuilt from all others:",
    `  ${command(minietcdProgram, "cluster", ...clusterArgs(flags), "--reset-member", lost.name)}`,
  ];
};

const table = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("   ")
        .trimEnd(),
    )
    .join("\n");
};

// `minietcd cluster` for tests: starts it, and reads its output.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Client } from "../../client/index.js";
import { freePorts } from "./free-ports.js";
import { MinietcdProcess } from "./minietcd-process.js";
import { patientClient } from "./patient-client.js";

const run = promisify(execFile);

/** A row of the table that it prints. */
export interface Row {
  readonly name: string;
  readonly clients: string;
  readonly pid: number;
  readonly role: string;
}

/** The output of `minietcd cluster` once it runs. */
export interface Announcement {
  readonly rows: readonly Row[];
  readonly examples: readonly string[];
}

/** The ports of the members. */
export interface Ports {
  readonly clients: readonly number[];
  readonly peers: readonly number[];
}

/** Returns free ports for three members. */
export const sixPorts = async (): Promise<Ports> => {
  const ports = await freePorts(6);
  return { clients: ports.slice(0, 3), peers: ports.slice(3) };
};

/** Starts a cluster of three members in `cwd`. */
export const startLocalCluster = (
  cwd: string,
  { clients, peers }: Ports,
  more: readonly string[] = [],
): MinietcdProcess => {
  const ports = [`--client-ports=${clients.join(",")}`, `--peer-ports=${peers.join(",")}`];
  return MinietcdProcess.start(["cluster", ...ports, ...more], { cwd });
};

/** Waits for the table. */
export const announcement = (supervisor: MinietcdProcess): Promise<Announcement> =>
  supervisor.waitFor("the cluster runs", ({ stdout }) => {
    if (!stdout.includes("Ctrl-C stops the cluster")) return undefined;
    const rows = [...stdout.matchAll(/^(m\d) +[0-9a-f]+ +(\S+) +\S+ +(\d+) +(leader|follower)$/gm)].map(
      ([, name = "", clients = "", pid, role = ""]) => ({ name, clients, pid: Number(pid), role }),
    );
    const examples = [...stdout.matchAll(/^ {2}(node .*minietcdctl.*)$/gm)].map(([, command = ""]) => command);
    return { rows, examples };
  });

/** Returns a client of these members. */
export const clientOf = (rows: readonly Row[]): Client =>
  patientClient({ endpoints: rows.map(({ clients }) => clients) });

/** Waits for the output about members that could not start. Returns the commands in it. */
export const readMissingMembers = (
  supervisor: MinietcdProcess,
  text: RegExp,
): Promise<{ starts: string[]; checks: string[]; fresh: string; reset: string | undefined }> =>
  supervisor.waitFor("the line about members that did not start", ({ stdout }) => {
    if (!text.test(stdout) || !/Ctrl-C stops the (cluster|running members)/.test(stdout)) return undefined;
    const commands = [...stdout.matchAll(/^ {2}(node .*minietcd\.js .*)$/gm)].map(([, command = ""]) => command);
    return {
      starts: commands.filter((command) => command.includes("--initial-cluster ")),
      checks: commands.filter((command) => command.includes(" verify ")),
      fresh: commands.find((command) => command.endsWith(" --fresh")) ?? "",
      reset: commands.find((command) => command.includes(" --reset-member ")),
    };
  });

/** Creates a stopped cluster with a key in it. */
export const prepareCluster = async (cwd: string): Promise<Ports> => {
  const ports = await sixPorts();
  await using supervisor = startLocalCluster(cwd, ports);
  const { rows } = await announcement(supervisor);
  await using client = clientOf(rows);
  await client.kv.put("k", "v");
  await supervisor.end("SIGINT");
  return ports;
};

/** Runs a printed command. */
export const runPasted = (command: string, cwd: string) => run("sh", ["-c", command], { cwd });

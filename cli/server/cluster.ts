import { tmpdir } from "node:os";
import { relative } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import {
  clearDataDirectories,
  errorText,
  lockFolder,
  makeCertificateFiles,
  resetMember,
  StartError,
} from "../../server/index.js";
import {
  certificateFolder,
  defaultClusterFlags,
  memberPlaces,
  type ClusterFlags,
  type MemberPlace,
} from "./cluster-flags.js";
import { Supervisor } from "./supervisor.js";

const parsePorts = (value: string): number[] => {
  const ports = value.split(",").map((text) => (/^\d+$/.test(text) ? Number(text) : 0));
  if (!ports.every((port) => port > 0 && port < 65_536))
    throw new InvalidArgumentError("expected ports like 2379,22379,32379.");
  return ports;
};

const parseDataDir = (value: string): string => {
  if (value === "") throw new InvalidArgumentError("expected the path of a folder.");
  return value;
};

const portsOption = (flags: string, description: string, ports: readonly number[]): Option =>
  new Option(flags, description).argParser(parsePorts).default(ports, ports.join());

/** `minietcd cluster`: a local cluster of member processes for development. */
export const addClusterCommand = (program: Command): void => {
  const { dataDir, clientPorts, peerPorts } = defaultClusterFlags;
  program
    .command("cluster")
    .description(
      "start a local cluster of three members, one process each; Ctrl-C stops it, the next start continues with its data",
    )
    .allowExcessArguments(false)
    .option("--data-dir <path>", "data in <path>/<member>, logs in <path>/<member>.log", parseDataDir, dataDir)
    .addOption(portsOption("--client-ports <ports>", "client port of each member", clientPorts))
    .addOption(portsOption("--peer-ports <ports>", "peer port of each member", peerPorts))
    .option("--fresh", "remove all data of the members, and start an empty cluster", false)
    .option(
      "--memory",
      "keep all data in memory: it is lost when the cluster stops, and a member's when the member ends",
      false,
    )
    .option(
      "--auto-tls",
      "serve clients over TLS, with a certificate in <data-dir>/tls that is created if there is none",
      false,
    )
    .option("--no-warm-up", "do not warm up the members (for a cluster that lives for seconds)")
    .option("--reset-member <name>", "first rebuild a member that lost its data, or cannot start, from all others")
    .addHelpText(
      "after",
      "\nThe number of ports sets the number of members, which are named m1, m2, m3, …\n" +
        "\nExample:\n  minietcd cluster --data-dir /tmp/demo --client-ports 12379,12381,12383 --peer-ports 12380,12382,12384",
    )
    .action(async (flags: ClusterFlags) => {
      const ports = [...flags.clientPorts, ...flags.peerPorts];
      if (flags.clientPorts.length !== flags.peerPorts.length)
        program.error("error: --client-ports and --peer-ports must name the same number of ports");
      if (new Set(ports).size < ports.length) program.error("error: a port is named twice");
      if (flags.fresh && flags.resetMember !== undefined)
        program.error("error: --fresh removes the data of all members, which --reset-member needs to rebuild one");
      if (flags.memory && (flags.fresh || flags.resetMember !== undefined))
        program.error("error: a cluster with --memory has no data on disk: remove --fresh and --reset-member");
      const names = memberPlaces(flags).map(({ name }) => name);
      if (flags.resetMember !== undefined && !names.includes(flags.resetMember))
        program.error(`error: --reset-member: no member is named ${flags.resetMember}, only ${names.join(", ")}`);
      process.exitCode = await runCluster(flags);
    });
};

/** Starts the members and waits until they have ended. @returns the exit code */
const runCluster = async (flags: ClusterFlags): Promise<number> => {
  try {
    // Locked before anything is written to the folder: a second supervisor must not write to the first one's logs.
    const lock = await lockFolder(flags.dataDir);
    try {
      if (flags.resetMember !== undefined) await reset(flags, flags.resetMember);
      if (flags.fresh) await clearDataDirectories(memberPlaces(flags).map(({ dataDir }) => dataDir));
      if (flags.autoTls) await makeCertificateFiles(certificateFolder(flags), ["127.0.0.1", "localhost", "::1"]);
      return await new Supervisor(flags).run();
    } finally {
      await lock.close();
    }
  } catch (error) {
    if (!(error instanceof StartError || (error instanceof Error && "syscall" in error))) throw error;
    console.error(`The cluster cannot start: ${errorText(error)}`);
    return 1;
  }
};

const reset = async (flags: ClusterFlags, name: string): Promise<void> => {
  const places = memberPlaces(flags);
  const dataDirs = (isWanted: (place: MemberPlace) => boolean): string[] =>
    places.filter(isWanted).map(({ dataDir }) => dataDir);
  const [dataDir = ""] = dataDirs((place) => place.name === name);
  const others = dataDirs((place) => place.name !== name);
  try {
    const { source, last, aside } = await resetMember({ dataDir, others, temporary: tmpdir() });
    console.log(`${name} has the data of ${source} now, up to entry ${last.index} of the log.`);
    if (aside !== undefined)
      console.log(`Its former files are in ${relative(process.cwd(), aside)}: remove them when you like.`);
  } catch (error) {
    if (error instanceof StartError)
      throw new StartError(`cannot reset ${name}: ${error.message}`, { cause: error.cause });
    throw error;
  }
};

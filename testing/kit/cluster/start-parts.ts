// Starts the members of a test cluster.

import { StatusError } from "../../../client/index.js";
import { seededRandom, normalConditions, SimNetwork } from "../../index.js";
import { LogRing, type Machine, makeMachines, makePortTls, type World } from "../machine/index.js";
import { memberNames, type TestClusterOptions } from "./options.js";
import { RpcFaults } from "../faults/index.js";
import { RealServerTime, type ServerTime, VirtualServerTime } from "../clock/index.js";
import { statusCodes } from "../base/index.js";
import { TemporaryDirectory } from "./temporary-directory.js";

/** The parts of a running cluster. */
export interface ClusterParts {
  readonly options: TestClusterOptions;
  readonly time: ServerTime;
  readonly world: World;
  readonly machines: readonly Machine[];
  /** Faults of requests at all members. */
  readonly faults: RpcFaults;
  /** Faults of requests at one member, by its name. */
  readonly memberFaults: ReadonlyMap<string, RpcFaults>;
  readonly directory: TemporaryDirectory | undefined;
  /** The certificate of the ports, as PEM; undefined: without TLS. */
  readonly ca: string | undefined;
}

/** Messages between members arrive at once. */
const noDelay = { ...normalConditions, minDelayMs: 0, maxDelayMs: 0 };

const quietLog = { addLine: () => undefined, addDetail: () => undefined };

/** Makes the machines of a cluster, without starting their members. */
const prepareParts = async (options: TestClusterOptions, own: ServerTime | undefined): Promise<ClusterParts> => {
  const names = memberNames(options);
  const { clock = "machine", disk = false, listen = true, tls = false, seed = 1, flags = {} } = options;
  if (disk && clock === "virtual")
    throw new TypeError("Cannot start a test cluster on disk in virtual time: a disk takes real time");
  const time = own ?? (clock === "virtual" ? new VirtualServerTime() : new RealServerTime());
  const { timeline } = time;
  const network = new SimNetwork(timeline, seededRandom(seed + 1), quietLog);
  network.conditions = noDelay;
  const world = { timeline, network, random: seededRandom(seed), log: new LogRing(() => time.now()) };
  const faults = new RpcFaults(timeline);
  const memberFaults = new Map(names.map((name) => [name, new RpcFaults(timeline)]));
  const directory = disk ? new TemporaryDirectory() : undefined;
  const portTls = tls ? await makePortTls(flags) : undefined;
  const machines = await makeMachines(world, {
    names,
    listen,
    tls: portTls,
    directory: directory?.path,
    flags,
    wrap: (app, name) => faults.wrap(memberFaults.get(name)?.wrap(app) ?? app),
  });
  return { options, time, world, machines, faults, memberFaults, directory, ca: portTls?.ca };
};

/** Returns the faults of requests at one member. */
export const faultsOf = ({ memberFaults, faults }: ClusterParts, { name }: Machine): RpcFaults =>
  memberFaults.get(name) ?? faults;

/** Starts all members; resolves when each serves clients. */
export const startMachines = async ({ time, machines }: ClusterParts): Promise<void> => {
  await time.until(Promise.all(machines.map((machine) => machine.start())));
};

/** Returns the error of requests that were made before a reset. */
const resetError = (): StatusError => new StatusError(statusCodes.FAILED_PRECONDITION, "the test server was reset");

/** Ends the requests of clients, then all members, and starts empty members; resolves when each serves clients. */
export const resetMachines = async ({ machines }: ClusterParts): Promise<void> => {
  const hasPeers = machines.length > 1;
  for (const machine of machines) machine.interrupt(resetError());
  await Promise.all(machines.map((machine) => machine.kill({ loseUnsynced: true })));
  await Promise.all(machines.map((machine) => machine.reset({ hasPeers })));
};

/**
 * Starts copies of the members, with the current contents of their disks.
 *
 * @throws TypeError if the data is on the machine's disk
 */
export const cloneParts = (origin: ClusterParts): Promise<ClusterParts> => {
  if (origin.directory !== undefined) throw new TypeError("Cannot clone a test server on disk: only one in memory");
  return startParts(origin.options, origin);
};

/** Ends all members, closes the ports and removes the files. */
export const endParts = async ({ time, machines, directory }: ClusterParts): Promise<void> => {
  time.lifetime.rejectCalls();
  await Promise.all(machines.map((machine) => machine.close()));
  time.close();
  directory?.close();
};

/**
 * Makes the machines of a cluster and starts their members.
 *
 * @param origin a cluster whose data is copied; absent: the members are empty
 * @param time the time of the cluster; absent: by the options
 */
export const startParts = async (
  options: TestClusterOptions,
  origin?: ClusterParts,
  time?: ServerTime,
): Promise<ClusterParts> => {
  const parts = await prepareParts(options, time);
  if (origin !== undefined) await origin.time.until(Promise.all(origin.machines.map((machine) => machine.flush())));
  for (const [n, machine] of parts.machines.entries()) {
    const copied = origin?.machines[n]?.copyStorage();
    if (copied !== undefined) machine.useStorage(copied);
  }
  try {
    await startMachines(parts);
  } catch (error) {
    await endParts(parts);
    throw error;
  }
  return parts;
};

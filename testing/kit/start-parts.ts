// Starts the members of a test cluster.

import { seededRandom, fairWeather, SimNetwork } from "../index.js";
import { LogRing } from "./log-ring.js";
import type { Machine, World } from "./machine.js";
import { makeMachines } from "./machines.js";
import { memberNames, type TestClusterOptions } from "./options.js";
import { RpcFaults } from "./rpc-faults.js";
import { RealServerTime, type ServerTime, VirtualServerTime } from "./server-time.js";
import { TemporaryDirectory } from "./temporary-directory.js";

/** The parts of a cluster that runs. */
export interface ClusterParts {
  readonly options: TestClusterOptions;
  readonly time: ServerTime;
  readonly world: World;
  readonly machines: readonly Machine[];
  readonly faults: RpcFaults;
  readonly directory: TemporaryDirectory | undefined;
}

/** Messages between members arrive at once. */
const noDelay = { ...fairWeather, minDelayMs: 0, maxDelayMs: 0 };

const quietStory = { tell: () => undefined, detail: () => undefined };

/** Makes the machines of a cluster; no member runs yet. */
const prepareParts = async (options: TestClusterOptions): Promise<ClusterParts> => {
  const names = memberNames(options);
  const { clock = "machine", disk = false, listen = true, seed = 1, flags = {} } = options;
  if (disk && clock === "virtual")
    throw new TypeError("Cannot start a test cluster on disk in virtual time: a disk takes real time");
  const time = clock === "virtual" ? new VirtualServerTime() : new RealServerTime();
  const { timeline } = time;
  const network = new SimNetwork(timeline, seededRandom(seed + 1), quietStory);
  network.weather = noDelay;
  const world = { timeline, network, random: seededRandom(seed), log: new LogRing(() => time.now()) };
  const faults = new RpcFaults(timeline);
  const directory = disk ? new TemporaryDirectory() : undefined;
  const machines = await makeMachines(world, {
    names,
    listen,
    directory: directory?.path,
    flags,
    wrap: (app) => faults.wrap(app),
  });
  return { options, time, world, machines, faults, directory };
};

/** Starts all members; resolves when each serves clients. */
export const startMachines = async ({ time, machines }: ClusterParts): Promise<void> => {
  await time.until(Promise.all(machines.map((machine) => machine.start())));
};

/** Ends all members, closes the ports and removes the files. */
export const endParts = async ({ time, machines, directory }: ClusterParts): Promise<void> => {
  await Promise.all(machines.map((machine) => machine.close()));
  time.close();
  directory?.close();
};

/** Makes the machines of a cluster and starts their members. */
export const startParts = async (options: TestClusterOptions): Promise<ClusterParts> => {
  const parts = await prepareParts(options);
  try {
    await startMachines(parts);
  } catch (error) {
    await endParts(parts);
    throw error;
  }
  return parts;
};

// Makes the machines of a test cluster: settings, disks, ports.

import { join } from "node:path";
import type { Application } from "../../../server/app/index.js";
import { configFromFlags, defaultFlags, type MemberConfig, type ServerFlags } from "../../../server/config/index.js";
import { ClientPort } from "./client-port.js";
import { Machine, type World } from "./machine.js";
import type { PortTls } from "./port-tls.js";
import { type Storage, storageInMemory, storageOnDisk } from "./storage.js";

/** The common settings of the machines of a cluster. */
export interface MachineSettings {
  readonly names: readonly string[];
  readonly listen: boolean;
  /** TLS of the ports; undefined: without TLS. */
  readonly tls: PortTls | undefined;
  /** A directory on the machine's disk for the members' data; undefined: the data is in memory. */
  readonly directory: string | undefined;
  readonly flags: Partial<ServerFlags>;
  /** Adds faults to the operations of a member. */
  readonly wrap: (application: Application, name: string) => Application;
}

/** Heartbeat and election times of a cluster in one process: short, because there is no network. A single member has etcd's defaults. */
const clusterTiming = { heartbeatInterval: "20", electionTimeout: "200" } as const;

/** The only member of a cluster keeps few entries: no other member needs them, and a clone has to read them. */
const aloneSettings = { snapshotCount: "1000", snapshotCatchupEntries: "0" } as const;

/** Makes the machines of a cluster, with their ports bound. */
export const makeMachines = async (world: World, settings: MachineSettings): Promise<readonly Machine[]> => {
  const { names, listen, tls, wrap } = settings;
  const ports = listen ? await Promise.all(names.map(() => ClientPort.open(tls))) : [];
  const { timeline } = world;
  const makeStorage = (): Storage =>
    settings.directory === undefined ? storageInMemory(timeline) : storageOnDisk(timeline);
  return names.map((name, n) => {
    const port = ports[n];
    const config = configOf(name, port?.endpoint, settings);
    return new Machine(world, {
      config,
      storage: makeStorage(),
      emptyStorage: settings.directory === undefined ? makeStorage : undefined,
      port,
      wrap: (application) => wrap(application, name),
    });
  });
};

/** Returns the endpoint of a member for clients in this process. */
export const endpointOf = ({ config }: Machine): string =>
  (config.urls.advertiseClient[0]?.text ?? config.member.name).replace(/^http:\/\//, "");

const configOf = (
  name: string,
  endpoint: string | undefined,
  { names, tls, directory, flags }: MachineSettings,
): MemberConfig => {
  const peerUrl = (member: string): string => `unix://${member}-peer`;
  const scheme = tls === undefined ? "http" : "https";
  const clientUrl = endpoint === undefined ? `unix://${name}` : `${scheme}://${endpoint}`;
  return configFromFlags({
    ...defaultFlags,
    ...(names.length === 1 ? aloneSettings : clusterTiming),
    ...flags,
    name,
    dataDir: join(directory ?? "/test", name),
    autoTls: String(tls !== undefined),
    listenClientUrls: clientUrl,
    advertiseClientUrls: clientUrl,
    listenPeerUrls: peerUrl(name),
    initialAdvertisePeerUrls: peerUrl(name),
    initialCluster: names.map((member) => `${member}=${peerUrl(member)}`).join(","),
  });
};

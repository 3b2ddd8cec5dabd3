// Makes the machines of a test cluster: settings, disks, ports.

import { join } from "node:path";
import type { Application } from "../../server/app/index.js";
import { configFromFlags, defaultFlags, type MemberConfig, type ServerFlags } from "../../server/config/index.js";
import { ClientPort } from "./client-port.js";
import { Machine, type World } from "./machine.js";
import type { PortTls } from "./port-tls.js";
import { type Storage, storageInMemory, storageOnDisk } from "./storage.js";

/** The common settings of the machines of a cluster. */
export interface MachineSettings {
  readonly names: readonly string[];
  readonly listen: boolean;
  /** TLS of the ports; undefined: they have none. */
  readonly tls: PortTls | undefined;
  /** A directory of the machine for the members' data; undefined: they are in memory. */
  readonly directory: string | undefined;
  readonly flags: Partial<ServerFlags>;
  /** Puts faults in front of the operations of a member. */
  readonly wrap: (application: Application, name: string) => Application;
}

/** Heartbeats and elections of a cluster in one process: short, as nothing is in between. A single member has etcd's own. */
const clusterTiming = { heartbeatInterval: "20", electionTimeout: "200" } as const;

/** A member that is alone keeps little of its log: nobody else needs it, and a clone has to read it. */
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

/** The endpoint of a member for clients in this process. */
export const endpointOf = ({ config }: Machine): string =>
  (config.advertiseClientUrls[0]?.text ?? config.name).replace(/^http:\/\//, "");

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

// All that a member can be asked, whoever carries the calls: a gRPC engine, or a simulation.

import { isUtf8 } from "node:buffer";
import {
  AuthDefinition,
  ClusterDefinition,
  ElectionDefinition,
  HealthDefinition,
  KVDefinition,
  LeaseDefinition,
  LockDefinition,
  MaintenanceDefinition,
  WatchDefinition,
} from "../../proto/index.js";
import { noMember } from "../../raft/index.js";
import { type Application, createApplication, minLeaseTtl } from "../app/index.js";
import type { MemberConfig } from "../config/index.js";
import { messageOverheadBytes, ServerError } from "../base/index.js";
import type { MemberEnvironment } from "./parts.js";
import type { Replica } from "./replica.js";
import { type Call, LeaderRequired, type Method, requiresLeader, unimplementedMethods } from "../rpc/index.js";
import {
  clusterMethods,
  healthMethods,
  kvMethods,
  leaseMethods,
  maintenanceMethods,
  ResponseHeaders,
  ResponseSender,
  watchMethods,
} from "../services/index.js";

export interface MemberServices {
  readonly methods: readonly Method[];
  /**
   * Checks a call's metadata before anything else.
   *
   * @throws ServerError why it is refused
   */
  readonly admit: (call: Call) => void;
}

const services = [
  KVDefinition,
  WatchDefinition,
  LeaseDefinition,
  ClusterDefinition,
  MaintenanceDefinition,
  AuthDefinition,
  LockDefinition,
  ElectionDefinition,
  HealthDefinition,
];

/** What `replica` answers to its clients. */
export const memberServices = (
  config: MemberConfig,
  environment: MemberEnvironment,
  replica: Replica,
): MemberServices => {
  const methods = serviceMethods(config, environment, replica);
  const hasLeader = (): boolean => replica.node.status().leader !== noMember;
  const leaderRequired = new LeaderRequired({ clock: environment.clock, electionMs: config.electionMs, hasLeader });
  return {
    methods: [...methods.map((method) => leaderRequired.guard(method)), ...unimplementedMethods(services, methods)],
    admit: (call) => admit(call, hasLeader),
  };
};

/** Makes the operations that `replica` serves. */
export const memberApplication = (
  config: MemberConfig,
  { clock, random }: MemberEnvironment,
  replica: Replica,
): Application =>
  createApplication(replica, {
    clock,
    random,
    maxTxnOps: config.maxTxnOps,
    minLeaseTtlSeconds: minLeaseTtl(config),
    watchProgressMs: config.watchProgressMs,
  });

const serviceMethods = (config: MemberConfig, environment: MemberEnvironment, replica: Replica): Method[] => {
  const { node, store } = replica;
  const headers = new ResponseHeaders(replica.clusterId, replica.id, () => node.status().term);
  const sender = new ResponseSender(headers, store);
  const application = memberApplication(config, environment, replica);
  return [
    ...kvMethods(application, sender),
    ...watchMethods(application, headers, config.maxRequestBytes + messageOverheadBytes),
    ...leaseMethods(application, sender),
    ...clusterMethods(application, sender),
    ...maintenanceMethods(application, sender),
    ...healthMethods(),
  ];
};

/** What etcd checks of every call's metadata. */
const admit = (call: Call, hasLeader: () => boolean): void => {
  const version = call.metadata("client-api-version");
  if (version !== undefined && !isUtf8(Buffer.from(version, "latin1")))
    throw new ServerError("invalid-client-version", "client-api-version is not valid UTF-8");
  if (requiresLeader(call) && !hasLeader())
    throw new ServerError("no-leader", "the client asked for a leader to be known");
};

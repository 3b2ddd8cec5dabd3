// Builds all services of a member, for every transport: a gRPC engine, a simulation, or calls in this process.

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
import {
  Access,
  Admission,
  Authorization,
  type Application,
  AuditLog,
  type AuditSink,
  createApplication,
  createConcurrency,
  minLeaseTtl,
  RequestStats,
} from "../app/index.js";
import type { MemberConfig } from "../config/index.js";
import { messageOverheadBytes, reportedVersions } from "../base/index.js";
import type { MemberEnvironment } from "./parts.js";
import type { Replica } from "./replica.js";
import { type Method, unimplementedMethods } from "../rpc/index.js";
import {
  authMethods,
  clusterMethods,
  concurrencyMethods,
  WaitingCalls,
  healthMethods,
  kvMethods,
  leaseMethods,
  maintenanceMethods,
  rangeStreamMethod,
  reflectionMethods,
  ResponseHeaders,
  ResponseSender,
  watchMethods,
} from "../services/index.js";

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

/** The services of a member. */
export interface MemberServices {
  /** etcd's operations, for callers in this process; all conditions on requests are checked there. */
  readonly application: Application;
  /** The gRPC methods: the operations, health and reflection. */
  readonly methods: readonly Method[];
  /** Counts the requests to the application. */
  readonly requestStats: RequestStats;
  /** The calls that wait for a lock or for leadership; stopped before the member. */
  readonly waiting: WaitingCalls;
}

/**
 * Builds the services of `replica`.
 *
 * @param wrap wraps all operations; a test can make some of them fail
 * @param access authenticates callers
 */
export const memberServices = (
  config: MemberConfig,
  { clock, random }: MemberEnvironment,
  replica: Replica,
  wrap: (application: Application) => Application = (application) => application,
  access = new Access(replica),
): MemberServices => {
  const { node, store } = replica;
  const requestStats = new RequestStats();
  const admission = new Admission({ clock, electionMs: config.electionMs, node }, requestStats);
  const operations = createApplication(replica, replica.quota, {
    clock,
    random,
    maxTxnOps: config.maxTxnOps,
    minLeaseTtlSeconds: minLeaseTtl(config),
    watchProgressMs: config.watchProgressMs,
    chunkBytes: config.maxRequestBytes,
    versions: reportedVersions(config.emulatedVersion),
    stats: requestStats,
    access,
  });
  const authorization = new Authorization(access, store);
  const admitted = admission.wrap(authorization.wrap(wrap(operations)));
  const { auditFile } = replica;
  const application = auditFile === undefined ? admitted : auditLog(auditFile, access).wrap(admitted);
  const headers = new ResponseHeaders(replica.clusterId, replica.id, () => node.term);
  const sender = new ResponseSender(headers, store);
  const waiting = new WaitingCalls();
  const methods = [
    ...kvMethods(application, sender),
    ...(config.emulatedVersion === "3.6" ? [] : [rangeStreamMethod(application, headers)]),
    ...watchMethods(application, headers, config.maxRequestBytes + messageOverheadBytes),
    ...leaseMethods(application, sender),
    ...clusterMethods(application, sender),
    ...maintenanceMethods(application, sender),
    ...authMethods(application, sender),
    ...concurrencyMethods(createConcurrency(application), headers, waiting),
    ...healthMethods((caller) => admission.check(caller)),
    ...reflectionMethods((caller) => admission.check(caller)),
  ];
  const all = [...methods, ...unimplementedMethods(services, methods)];
  if (config.metrics === "extensive") for (const { stats } of all) stats.measureHandling();
  return { application, methods: all, requestStats, waiting };
};

const auditLog = (sink: AuditSink, access: Access): AuditLog =>
  new AuditLog(
    sink,
    () => new Date().toISOString(),
    (caller) => access.userOf(caller),
  );

// Builds the components that answer clients: the services, for every transport (a gRPC engine, a simulation, calls in this process), and
// the servers of a process for them.

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
import { messageOverheadBytes, reportedVersions } from "../base/index.js";
import { featuresOf, type MemberConfig } from "../config/index.js";
import { Gateway } from "../gateway/index.js";
import { createPages, HealthStats, HttpServer, type Pages } from "../http/index.js";
import { debugVariables, metricsText } from "../metrics/index.js";
import { type Engine, type EngineOptions, type loadEngine, UntakenAnswers } from "../net/index.js";
import { type Method, unimplementedMethods } from "../rpc/index.js";
import {
  authMethods,
  clusterMethods,
  concurrencyMethods,
  healthMethods,
  kvMethods,
  leaseMethods,
  maintenanceMethods,
  rangeStreamMethod,
  reflectionMethods,
  ResponseHeaders,
  ResponseSender,
  WaitingCalls,
  watchMethods,
} from "../services/index.js";
import type { MemberEnvironment } from "./parts.js";
import type { Replica } from "./replica.js";

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
  const admission = new Admission({ clock, electionMs: config.raft.electionMs, node }, requestStats);
  const operations = createApplication(replica, replica.quota, access, {
    clock,
    random,
    maxTxnOps: config.store.maxTxnOps,
    minLeaseTtlSeconds: minLeaseTtl(config.raft),
    watchProgressMs: config.store.watchProgressMs,
    chunkBytes: config.store.maxRequestBytes,
    versions: reportedVersions(config.member.emulatedVersion),
    stats: requestStats,
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
    ...(config.member.emulatedVersion === "3.6" ? [] : [rangeStreamMethod(application, headers)]),
    ...watchMethods(application, headers, config.store.maxRequestBytes + messageOverheadBytes),
    ...leaseMethods(application, sender),
    ...clusterMethods(application, sender),
    ...maintenanceMethods(application, sender),
    ...authMethods(application, sender),
    ...concurrencyMethods(createConcurrency(application), headers, waiting),
    ...healthMethods((caller) => admission.check(caller)),
    ...reflectionMethods((caller) => admission.check(caller)),
  ];
  const all = [...methods, ...unimplementedMethods(services, methods)];
  if (config.monitoring.metrics === "extensive") for (const { stats } of all) stats.measureHandling();
  return { application, methods: all, requestStats, waiting };
};

const auditLog = (sink: AuditSink, access: Access): AuditLog =>
  new AuditLog(
    sink,
    () => new Date().toISOString(),
    (caller) => access.userOf(caller),
  );

/** The components that answer clients, independent of the ports. */
export interface Serving {
  /** Serves HTTP/2 connections. */
  readonly engine: Engine;
  /** Serves HTTP/1.1 connections. */
  readonly http: HttpServer;
  readonly methods: readonly Method[];
  /** The calls that wait for a lock or for leadership; stopped before the member. */
  readonly waiting: WaitingCalls;
  /** Creates a server of HTTP/1.1 connections for the pages of metrics and health, without the others. */
  createMetricsHttp(): HttpServer;
}

/** Creates the components that serve `replica` to clients. */
export const createServing = (
  config: MemberConfig,
  environment: MemberEnvironment,
  replica: Replica,
  createEngine: Awaited<ReturnType<typeof loadEngine>>,
): Serving => {
  const { application, methods, requestStats, waiting } = memberServices(config, environment, replica);
  const options = engineOptions(config, environment, methods);
  const engine = createEngine(options);
  const { clock } = environment;
  const versions = reportedVersions(config.member.emulatedVersion);
  const health = new HealthStats();
  const features = featuresOf(config.store);
  const measured = { replica, versions, features, methods, requests: requestStats, health, clock };
  const pages = createPages({
    application,
    node: replica.node,
    applied: replica.applier,
    stats: health,
    versions,
    numbers: { readMetrics: () => metricsText(measured), readVariables: () => debugVariables(measured) },
  });
  const http = new HttpServer(pages, clock, config.clients, config.clients.gateway ? gatewayOf(options) : undefined);
  const createMetricsHttp = (): HttpServer => new HttpServer(metricsAndHealth(pages), clock);
  return { engine, http, methods, waiting, createMetricsHttp };
};

/** Leaves out the pages that etcd serves on the client port only. */
const metricsAndHealth =
  (pages: Pages): Pages =>
  (method, url, headers) =>
    pages(method, /^\/(metrics|health|livez|readyz)([/?]|$)/.test(url) ? url : "/", headers);

const gatewayOf = ({ methods, maxRequestBytes, untaken, clock, onUnexpectedError }: EngineOptions): Gateway =>
  new Gateway({ methods, maxMessageBytes: maxRequestBytes, accounts: untaken, clock }, onUnexpectedError);

const engineOptions = (
  config: MemberConfig,
  environment: MemberEnvironment,
  methods: readonly Method[],
): EngineOptions => {
  const { clock, logger } = environment;
  const untaken = new UntakenAnswers(clock, (bytes) =>
    logger.warn("closed a client connection: its client does not read its answers", { bytes }),
  );
  return {
    clock,
    untaken,
    methods,
    maxRequestBytes: config.store.maxRequestBytes + messageOverheadBytes,
    maxConcurrentStreams: config.clients.maxConcurrentStreams,
    rules: config.clients, // the rules for pings and keepalive
    onUnexpectedError: (error) => environment.logger.error("a request failed unexpectedly", { error }),
  };
};

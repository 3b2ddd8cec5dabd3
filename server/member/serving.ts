// Builds the components that answer clients.

import type { MemberConfig } from "../config/index.js";
import { featuresOf } from "../config/index.js";
import { messageOverheadBytes, reportedVersions } from "../base/index.js";
import { Gateway } from "../gateway/index.js";
import { createPages, HealthStats, HttpServer, type Pages } from "../http/index.js";
import { debugVariables, metricsText } from "../metrics/index.js";
import { type Engine, type EngineOptions, type loadEngine, UntakenAnswers } from "../net/index.js";
import type { Method } from "../rpc/index.js";
import type { WaitingCalls } from "../services/index.js";
import { memberServices } from "./member-services.js";
import type { MemberEnvironment } from "./parts.js";
import type { Replica } from "./replica.js";

/** The components that answer clients, independent of the ports. */
export interface Serving {
  /** Serves HTTP/2 connections. */
  readonly engine: Engine;
  /** Serves HTTP/1.1 connections. */
  readonly http: HttpServer;
  readonly pages: Pages;
  readonly methods: readonly Method[];
  /** The calls that wait for a lock or for leadership; stopped before the member. */
  readonly waiting: WaitingCalls;
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
  const versions = reportedVersions(config.emulatedVersion);
  const health = new HealthStats();
  const features = featuresOf(config);
  const measured = { replica, versions, features, methods, requests: requestStats, health, clock };
  const pages = createPages({
    application,
    node: replica.node,
    applied: replica.applier,
    stats: health,
    versions,
    numbers: { metrics: () => metricsText(measured), variables: () => debugVariables(measured) },
  });
  const http = new HttpServer(pages, clock, config, config.gateway ? gatewayOf(options) : undefined);
  return { engine, http, pages, methods, waiting };
};

const gatewayOf = ({ methods, maxRequestBytes, untaken, clock, onUnexpectedError }: EngineOptions): Gateway =>
  new Gateway({ methods, maxMessageBytes: maxRequestBytes, accounts: untaken, clock }, onUnexpectedError);

const engineOptions = (
  config: MemberConfig,
  environment: MemberEnvironment,
  methods: readonly Method[],
): EngineOptions => {
  const { clock, logger } = environment;
  const untaken = new UntakenAnswers(clock, (bytes) =>
    logger.warn("closed a client connection: its client takes no answers", { bytes }),
  );
  return {
    clock,
    untaken,
    methods,
    maxRequestBytes: config.maxRequestBytes + messageOverheadBytes,
    maxConcurrentStreams: config.maxConcurrentStreams,
    rules: config, // the rules for pings and keepalive
    onUnexpectedError: (error) => environment.logger.error("a request failed unexpectedly", { error }),
  };
};

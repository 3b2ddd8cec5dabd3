import { maxConnectionWithoutRequestMs } from "../base/index.js";
import { PingPolicy, type Engine, type EngineOptions } from "./engine/index.js";
import { GrpcServer } from "./http2/index.js";

const defaultKeepAliveTimeoutMs = 20_000;

/** Creates the native engine (docs/decisions/0001-rpc-engine.md). */
export const createNativeEngine = (options: EngineOptions): Engine => {
  const { rules = {}, untaken } = options;
  const { keepAliveMs, keepAliveTimeoutMs = defaultKeepAliveTimeoutMs } = rules;
  const settings = {
    methods: options.methods,
    maxRequestBytes: options.maxRequestBytes,
    maxConcurrentStreams: options.maxConcurrentStreams,
    withoutRequestMs: rules.withoutRequestMs ?? maxConnectionWithoutRequestMs,
    keepAlive: keepAliveMs === undefined ? undefined : { afterMs: keepAliveMs, timeoutMs: keepAliveTimeoutMs },
    clock: options.clock,
  };
  const server = new GrpcServer(settings, options.onUnexpectedError);
  return {
    serve: (socket, seen) => {
      const account = untaken.add(socket);
      socket.on("close", () => untaken.delete(account));
      server.serve(socket, seen, account, new PingPolicy(rules.minPingIntervalMs));
    },
    drain: (graceMs) => server.drain(graceMs),
    stop: async (graceMs) => {
      await server.stop(graceMs);
      untaken.stop();
    },
  };
};

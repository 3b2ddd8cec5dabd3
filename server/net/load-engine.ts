import type { Engine, EngineOptions } from "./engine/index.js";
import { createNativeEngine } from "./native-engine.js";

/** The gRPC engines, by the values of `--rpc-engine`. */
export type RpcEngine = "native" | "grpc-js";

/**
 * Returns the function that creates engines of a kind. `@grpc/grpc-js` is loaded on demand: that takes longer than a whole
 * start.
 */
export const loadEngine = async (kind: RpcEngine): Promise<(options: EngineOptions) => Engine> =>
  kind === "native" ? createNativeEngine : (await import("./grpc-js/index.js")).createGrpcJsEngine;

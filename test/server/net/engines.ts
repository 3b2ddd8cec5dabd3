// The engines, for tests that all of them must pass.

import type { Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { ClientConnections } from "../../../server/net/client-connections.js";
import type { Engine } from "../../../server/net/engine/engine.js";
import { createGrpcJsEngine } from "../../../server/net/grpc-js/grpc-js-engine.js";
import { createNativeEngine } from "../../../server/net/native-engine.js";

export const engines = [
  { name: "grpc-js", createEngine: createGrpcJsEngine },
  { name: "native", createEngine: createNativeEngine },
] as const;

export type EngineName = (typeof engines)[number]["name"];

/** Passes accepted sockets to an engine, as a member does. */
export const handTo = (engine: Engine): ((socket: Socket) => void) => {
  const connections = new ClientConnections();
  connections.start({
    http2: engine,
    http1: { serve: (socket) => socket.destroy() },
  });
  return (socket) => connections.accept(socket);
};

export type CreateEngine = (typeof engines)[number]["createEngine"];

/** Defines a test for each engine. */
export const onEachEngine = (
  name: string,
  run: (t: TestContext, createEngine: CreateEngine, engine: EngineName) => Promise<void>,
): void => {
  for (const engine of engines) test(`${engine.name}: ${name}`, (t) => run(t, engine.createEngine, engine.name));
};

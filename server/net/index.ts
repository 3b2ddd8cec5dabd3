// Listening, and the gRPC engines: connections of clients, their bounds and policies.

export { ClientConnections } from "./client-connections.js";
export type { Engine, EngineOptions } from "./engine.js";
export { createGrpcJsEngine } from "./grpc-js-engine.js";
export { listen, type Listener } from "./listen.js";
export { createNativeEngine } from "./native-engine.js";
export { UntakenAnswers } from "./untaken-answers.js";

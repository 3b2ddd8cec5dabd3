// Listening, and the gRPC engine: connections of clients, their bounds and policies.

export { ClientConnections } from "./client-connections.js";
export { createGrpcJsEngine, type Engine } from "./grpc-js-engine.js";
export { listen, type Listener } from "./listen.js";
export { UntakenAnswers } from "./untaken-answers.js";

// Listening sockets and gRPC engines: connections of clients, with their limits.

export { ClientConnections, type ConnectionServer, type SecureConnection } from "./client-connections.js";
export { UntakenAnswers, type Engine, type EngineOptions } from "./engine/index.js";
export { listen, type Listener, type OnConnection } from "./listen.js";
export { loadEngine } from "./load-engine.js";

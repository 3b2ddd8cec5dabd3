// Listening sockets and gRPC engines: connections of clients, with their limits.

export { ClientConnections, type ConnectionServer, type SecureConnection } from "./client-connections.js";
export type { Engine, EngineOptions } from "./engine.js";
export { listen, type Listener, type OnConnection } from "./listen.js";
export { loadEngine } from "./load-engine.js";
export { UntakenAnswers } from "./untaken-answers.js";

// Listening, and the gRPC engines: connections of clients, their bounds and policies.

export { ClientConnections, type SecureConnection } from "./client-connections.js";
export type { Engine, EngineOptions } from "./engine.js";
export { listen, type Listener, type OnConnection } from "./listen.js";
export { loadEngine } from "./load-engine.js";
export { UntakenAnswers } from "./untaken-answers.js";

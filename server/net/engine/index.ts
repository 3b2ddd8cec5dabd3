// The interface of a gRPC engine, and the policies that both engines apply to clients: pings, untaken answers.

export type { ConnectionRules, Engine, EngineOptions } from "./engine.js";
export { PingPolicy } from "./ping-policy.js";
export { UntakenAnswers, type AnsweredConnection, type UntakenOfConnection } from "./untaken-answers.js";

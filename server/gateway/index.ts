// etcd's JSON gateway.

export type { AnswerAccount } from "./client-side.js";
export { Gateway, type AnswerAccounts, type GatewayOptions } from "./gateway.js";

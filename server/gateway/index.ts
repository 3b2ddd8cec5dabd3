// etcd's JSON gateway.

export { Gateway, type AnswerAccounts, type GatewayOptions } from "./gateway.js";

// Builds a member from its components, starts it and stops it.

export { Member } from "./member.js";
export { type MemberEnvironment, type MemberParts, type PeerNetwork, ProcessParts, type Secrets } from "./parts.js";
export { openReplica, Replica, type ReplicaListener } from "./replica.js";
export { createServing, memberServices, type MemberServices, type Serving } from "./serving.js";
export { storageOf } from "./storage.js";

// A member, composed from its parts; its start and its stop.

export { memberServices, type MemberServices } from "./member-services.js";
export { Member } from "./member.js";
export type { MemberEnvironment, MemberParts, PeerNetwork, Secrets } from "./parts.js";
export { openReplica, Replica } from "./replica.js";

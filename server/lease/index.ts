// Leases: the leader's clock of leases, and the calls of members to the leader about them.

export { PeerCalls } from "./calls.js";
export { LeaderCalls } from "./leader-calls.js";
export { LeaseCalls } from "./lease-calls.js";
export { LeaseKeeper } from "./lease-keeper.js";
export { decodeLeaseKeys } from "./lease-keys.js";
export { LeaseStats } from "./lease-stats.js";

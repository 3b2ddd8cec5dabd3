// Leases: their time at the leader, and what other members ask the leader about them.

export { PeerCalls } from "./calls.js";
export { LeaderCalls } from "./leader-calls.js";
export { serveLeaseCalls } from "./lease-calls.js";
export { LeaseKeeper } from "./lease-keeper.js";

// Faults that a test injects: of requests, of links between members, of a member's disk.

export { FaultDisk } from "./fault-disk.js";
export type { FaultBuilder, InjectedFault, RejectOptions, RpcName, WatchFaultBuilder } from "./fault-rules.js";
export { type LinkFilter, Links } from "./links.js";
export { RpcFaults } from "./rpc-faults.js";

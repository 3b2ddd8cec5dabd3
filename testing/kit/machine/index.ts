// The machines of a test cluster: each with its disk, its client port, and the current process of its member.

export { LogRing } from "./log-ring.js";
export type { Machine, MemberState, World } from "./machine.js";
export { endpointOf, makeMachines } from "./machines.js";
export { makePortTls } from "./port-tls.js";
export type { RunningMember } from "./running-member.js";

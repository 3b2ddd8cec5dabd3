// Committed entries applied to the store, each once; and who the members are.

export { Alarms } from "./alarms.js";
export { Applier, type LogCompactor } from "./applier.js";
export { decodeMarker, readAppliedState, writeAppliedState, type AppliedState } from "./applied-state.js";
export type { CommandResults } from "./commands/index.js";
export { Membership } from "./membership.js";
export { SeenProposals } from "./seen-proposals.js";

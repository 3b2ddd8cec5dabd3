// Applies committed entries to the store, each once; holds the list of members.

export { Alarms } from "./alarms.js";
export { Applier, type LogCompactor } from "./applier.js";
export { decodeMarker, readAppliedState, writeAppliedState, type AppliedState } from "./applied-state.js";
export type { CommandResults } from "./commands/index.js";
export { Membership } from "./membership.js";
export { SeenProposals } from "./seen-proposals.js";

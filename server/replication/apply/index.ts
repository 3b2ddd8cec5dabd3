// Committed entries applied to the store, each once; and who the members are.

export { Applier, decodeMarker, encodeMarker, type Applied, type AppliedState } from "./applier.js";
export { Membership } from "./membership.js";
export { SeenProposals } from "./seen-proposals.js";

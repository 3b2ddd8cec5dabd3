// Requests on a cluster in memory, by which a member that has nothing to do has V8 compile its code.

export { startWarmUp } from "./start-warm-up.js";
export type { ObservedMember, WarmUp } from "./warm-up.js";

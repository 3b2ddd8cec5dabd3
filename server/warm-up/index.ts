// The warm-up of an idle member: requests to a temporary cluster in memory, so that V8 compiles the code of requests.

export { startWarmUp } from "./start-warm-up.js";
export type { ObservedMember, WarmUp } from "./warm-up.js";

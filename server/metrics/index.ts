// etcd's metrics, read from the counters of a member's components at each scrape.

export type { MeasuredMember, MeasuredReplica } from "./measured.js";
export { metricsText } from "./metrics.js";
export { debugVariables } from "./variables.js";

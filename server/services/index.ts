// etcd's gRPC services.

export { authMethods } from "./auth.js";
export { clusterMethods } from "./cluster.js";
export { concurrencyMethods, WaitingCalls } from "./concurrency.js";
export { healthMethods } from "./health.js";
export { kvMethods } from "./kv.js";
export { leaseMethods } from "./lease.js";
export { maintenanceMethods } from "./maintenance.js";
export { rangeStreamMethod } from "./range-stream.js";
export { reflectionMethods } from "./reflection.js";
export { ResponseHeaders } from "./response-header.js";
export { ResponseSender } from "./response-sender.js";
export { watchMethods } from "./watch.js";

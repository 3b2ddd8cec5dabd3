// Leases, granted and kept alive.

export { LeaseKeepAlive } from "./lease-keep-alive.js";
export { Lease, type LeaseGrantResult, type LeaseRenewResult, type LeaseTimeToLiveResult } from "./lease.js";

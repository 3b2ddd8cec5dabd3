// Leases, granted and kept alive.

export { KeptLease } from "./kept-lease.js";
export { Lease, type LeaseGrantResult, type LeaseRenewResult, type LeaseTimeToLiveResult } from "./lease.js";

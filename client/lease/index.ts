// Leases, granted and kept alive.

export { LeaseKeepAlive } from "./lease-keep-alive.js";
export {
  Lease,
  type LeaseGrantResult,
  type LeaseGrantSettings,
  type LeaseRenewResult,
  type LeaseTimeToLiveResult,
  type LeaseTimeToLiveSettings,
} from "./lease.js";

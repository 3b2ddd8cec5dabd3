import { exponentialBounds, Histogram } from "../../platform/index.js";

/** Counts the events of leases on this member. */
export class LeaseStats {
  /** Applied grants and revocations, including those of expired leases. */
  granted = 0;
  revoked = 0;
  /** Renewals by this member as the leader. */
  renewed = 0;
  /** Leases that were revoked because this member proposed their expiry. */
  expired = 0;
  /** The TTLs of granted leases. */
  readonly ttlSeconds = new Histogram(exponentialBounds(1, 2, 24));
}

import { exponentialBounds, Histogram } from "../../platform/index.js";

/** Counts what became of leases on this member. */
export class LeaseStats {
  /** Grants and revocations that were applied here, those of expired leases among them. */
  granted = 0;
  revoked = 0;
  /** Renewals by this member while it led. */
  renewed = 0;
  /** Leases whose expiry this member proposed, and which were revoked for it. */
  expired = 0;
  /** The TTLs of granted leases. */
  readonly ttlSeconds = new Histogram(exponentialBounds(1, 2, 24));
}

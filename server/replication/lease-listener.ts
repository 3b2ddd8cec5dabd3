import type { Term } from "../../raft/index.js";
import type { Lease, LeaseId } from "../../store/index.js";

/** Called when leases are granted and revoked, on every member; `LeaseKeeper` implements it. */
export interface LeaseListener {
  onGranted(lease: Lease): void;
  onRevoked(id: LeaseId): void;
  /** Called when the first entry of a term was applied. */
  onTermApplied(term: Term): void;
}

import type { LeaseGrantRequest, LeaseRevokeRequest } from "../../../../proto/index.js";
import type { Entry } from "../../../../raft/index.js";
import { type LeaseId, leaseIdFrom, type Revision, type Sliced } from "../../../../store/index.js";
import type { CommandValues } from "../../index.js";
import { Applied, type ReplicatedState } from "./handler.js";

/** Grants a lease. @returns the store's revision, which a grant does not raise */
export function* leaseGrant(
  { ID, TTL }: LeaseGrantRequest,
  { store, leases }: ReplicatedState,
  { index }: Pick<Entry, "index">,
): Sliced<Revision> {
  const lease = { id: leaseIdFrom(ID), ttlSeconds: Number(TTL), generation: index };
  const revision = store.grantLease(lease);
  leases.onGranted(lease);
  return revision;
}

/** Revokes a lease. @returns the revision in which its keys were deleted; the current one if it had none */
export const leaseRevoke = ({ ID }: LeaseRevokeRequest, state: ReplicatedState): Sliced<Revision> =>
  revoke(leaseIdFrom(ID), state);

/** Revokes expired leases, each in a revision of its own. */
export function* leaseExpiry(
  value: CommandValues["leaseExpiry"],
  state: ReplicatedState,
  { term }: Pick<Entry, "term">,
): Sliced<undefined> {
  // Only in the term of the leader that proposed it: a later leader may have renewed a lease for a client.
  if (value.term === BigInt(term))
    for (const { id, generation } of value.leases) {
      const lease = leaseIdFrom(id);
      if (state.store.lease(lease)?.generation === Number(generation)) yield* revoke(lease, state);
    }
  return undefined;
}

/** Records the remaining times of leases. */
export const leaseCheckpoint = (
  value: CommandValues["leaseCheckpoint"],
  { store }: ReplicatedState,
  { term }: Pick<Entry, "term">,
): Applied<undefined> => {
  // Only in the term of the leader that proposed it: a later leader may have renewed a lease for a client.
  if (value.term === BigInt(term))
    for (const { id, generation, seconds } of value.leases) {
      const lease = leaseIdFrom(id);
      if (store.lease(lease)?.generation === Number(generation))
        store.checkpointLease(lease, seconds === 0n ? undefined : Number(seconds));
    }
  return new Applied(undefined);
};

function* revoke(lease: LeaseId, { store, leases }: ReplicatedState): Sliced<Revision> {
  const revision = yield* store.revokeLease(lease);
  leases.onRevoked(lease);
  return revision;
}

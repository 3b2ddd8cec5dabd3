import type { LeaseGrantRequest, LeaseRevokeRequest } from "../../../../proto/index.js";
import type { Entry } from "../../../../raft/index.js";
import { type LeaseId, leaseIdFrom, type Revision, type Sliced } from "../../../../store/index.js";
import type { CommandValues } from "../../index.js";
import { Applied, type ReplicatedState } from "./handler.js";

/** @returns the store's revision: a lease makes none */
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

/** @returns the revision in which its keys were deleted; the newest one if it had none */
export const leaseRevoke = ({ ID }: LeaseRevokeRequest, state: ReplicatedState): Sliced<Revision> =>
  revoke(leaseIdFrom(ID), state);

/** Ends expired leases, each in a revision of its own. */
export function* leaseExpiry(
  value: CommandValues["leaseExpiry"],
  state: ReplicatedState,
  { term }: Pick<Entry, "term">,
): Sliced<undefined> {
  // Only in the term whose leader saw it: since then another may have promised a client more time.
  if (value.term === BigInt(term))
    for (const { id, generation } of value.leases) {
      const lease = leaseIdFrom(id);
      if (state.store.lease(lease)?.generation === Number(generation)) yield* revoke(lease, state);
    }
  return undefined;
}

/** Notes the time that leases have left. */
export const leaseCheckpoint = (
  value: CommandValues["leaseCheckpoint"],
  { store }: ReplicatedState,
  { term }: Pick<Entry, "term">,
): Applied<undefined> => {
  // Only in the term whose leader saw it: since then a client may have been promised more time.
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

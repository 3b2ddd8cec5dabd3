import type { MemberId } from "../raft/index.js";
import type { ClusterId } from "../server/base/index.js";
import type { LeaseId } from "../store/index.js";

/** Brands a number as a member's id, for tests. */
export const toMemberId = (id: bigint): MemberId => id as MemberId;

/** Brands a number as a cluster's id, for tests. */
export const toClusterId = (id: bigint): ClusterId => id as ClusterId;

/** Brands a number as a lease's id, for tests. */
export const toLeaseId = (id: bigint): LeaseId => id as LeaseId;

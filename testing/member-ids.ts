import type { MemberId } from "../raft/index.js";

/** Brands a number as a member's id, for tests. */
export const toMemberId = (id: bigint): MemberId => id as MemberId;

// The units that consensus counts in: terms, log indexes, and the ids of members.

/** Election term: 0 before the first election, +1 per election. Raft paper §5.1. */
export type Term = number & { readonly __unit: "term" };

/** Position in the log. The first entry is 1; 0 means "before the log". */
export type LogIndex = number & { readonly __unit: "log index" };

/**
 * A position in the log: an index and the term of its entry. Two logs with an entry at the same position are equal up to it (log
 * matching, Raft paper §5.3).
 */
export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
}

/** The position before the first entry. */
export const logStart: LogPosition = { index: 0 as LogIndex, term: 0 as Term };

/** A member's 64-bit id, unique in its cluster; 0n is no member. Consensus only compares ids. */
export type MemberId = bigint & { readonly __unit: "member id" };

/** "No member": no vote given, no leader known. */
export const noMember = 0n as MemberId;

// Rebuilds a member that lost its durable state from all the others. Raft has no such operation: a member that forgets its vote
// or an acknowledgement can undo committed entries (paper §5.1, figure 2). The state of every other member gives a bound on the
// forgotten part, if all members are stopped.
//
// Let D be the rebuilt member, "others" the rest of n >= 2 members, T the highest term that any of the others has on disk.
// All members are stopped: no message is under way, no answer is being counted, so only disks matter.
//
// Terms. Each leader of a term t had a majority's votes, at least one of them from another member (n >= 2), and that voter's
// term was durable before its vote left: t <= T. Hence no term after T ever had a leader, or an entry. D may have voted in any term
// up to T. After T it can only have voted for itself: another candidate's term is durable before it asks. No member counts that
// vote any more. D therefore continues in term T + 1 without a vote: it votes in no term that may have had a leader.
//
// Entries. Each committed entry is on a majority, so on another member A. Let C be the log with the greatest last term, then index,
// among the others. The last entry of C is of A's last term or a later one. Same term: C is at least as long, and holds what A holds
// by log matching (§5.3). Later term: that term's leader held all that was committed before (§5.4.3), and so does C, which has one
// of its entries. Hence C holds every committed entry. D gets a copy of C: each committed entry stays on as many members as before,
// at least a majority, and a later leader must hold it, as in any Raft cluster. Entries of D beyond C were on no majority, so
// no client got an acknowledgement for them.
//
// The second argument fails if two members are lost at once: an entry's majority can consist of these two in a cluster of three.

import type { LogPosition, Term } from "./ids.js";
import { noMember } from "./ids.js";
import { invariant } from "./invariant.js";
import type { HardState } from "./types.js";

/** The durable state of a member that has lost nothing. */
export interface Survivor {
  readonly hardState: HardState;
  /** The end of its log. */
  readonly last: LogPosition;
}

/** The state of a rebuilt member. */
export interface RebuiltState<S extends Survivor> {
  /** The member from which the rebuilt member copies the log and the applied state. */
  readonly source: S;
  readonly hardState: HardState;
}

/**
 * Returns the state with which a member that lost its own restarts.
 *
 * @param others all other members of the cluster, none of which runs or has lost anything
 */
export const rebuildFrom = <S extends Survivor>(others: readonly S[]): RebuiltState<S> => {
  const [first, ...rest] = others;
  invariant(first !== undefined, "a member rebuilt from nobody");
  const source = rest.reduce((best, other) => (isAhead(other.last, best.last) ? other : best), first);
  const highest = Math.max(...others.map(({ hardState }) => hardState.term));
  return { source, hardState: { term: (highest + 1) as Term, vote: noMember, commit: source.hardState.commit } };
};

/** Tells whether a log that ends at `a` is more up-to-date than one that ends at `b`. Raft paper §5.4.1. */
const isAhead = (a: LogPosition, b: LogPosition): boolean => (a.term === b.term ? a.index > b.index : a.term > b.term);

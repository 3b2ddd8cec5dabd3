import { invariant } from "./invariant.js";
import { noMember, type MemberId, type Term } from "./ids.js";
import type { HardState } from "./types.js";

/** The current term, and this member's vote in it. Raft paper, figure 2: `currentTerm` and `votedFor`. */
export class CurrentTerm {
  private currentTerm: Term;
  private currentVote: MemberId;

  constructor({ term, vote }: Pick<HardState, "term" | "vote">) {
    this.currentTerm = term;
    this.currentVote = vote;
  }

  /** The current term. */
  get term(): Term {
    return this.currentTerm;
  }

  /** The candidate that received this member's vote in `term`; `noMember` if none. */
  get vote(): MemberId {
    return this.currentVote;
  }

  /** Adopts a later term, in which no vote is given yet. */
  adoptTerm(term: Term): void {
    invariant(term > this.currentTerm, "a term that goes back");
    this.currentTerm = term;
    this.currentVote = noMember;
  }

  /** Gives this term's vote to `candidate`. */
  voteFor(candidate: MemberId): void {
    this.currentVote = candidate;
  }
}

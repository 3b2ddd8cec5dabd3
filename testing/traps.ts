/**
 * Moments of a member at which a fault is most dangerous: an action has begun and may not complete, or its completion has just
 * been reported.
 */
export const moments = [
  "send vote",
  "send voteReply",
  "send append",
  "send appendReply",
  "send timeoutNow",
  "write log",
  "rename log",
  "remove log",
  "write store",
  "replace file",
  /** The member has become leader. */
  "lead",
  /** The member is the first of all to apply an entry. */
  "apply first",
  /** An answer to a client has been sent. */
  "answer",
] as const;
export type Moment = (typeof moments)[number];

interface Trap {
  readonly moment: Moment;
  readonly spring: () => void;
}

/** Actions on a member that run at certain moments. */
export class Traps {
  private readonly set = new Set<Trap>();

  /** Calls `spring` whenever the member reaches the moment. @returns a function that removes the trap */
  add(moment: Moment, spring: () => void): () => void {
    const trap = { moment, spring };
    this.set.add(trap);
    return () => void this.set.delete(trap);
  }

  /** The member has reached the moment. */
  onReached(moment: string): void {
    for (const trap of [...this.set]) if (trap.moment === moment) trap.spring();
  }
}

/**
 * Moments of a member at which a fault hurts most: what it does then is begun, and nobody knows whether it comes
 * to an end; or it was just said that something is done.
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
  /** The member knows that it leads. */
  "lead",
  /** The member is the first of all to apply an entry. */
  "apply first",
  /** A client's answer has left. */
  "answer",
] as const;
export type Moment = (typeof moments)[number];

interface Trap {
  readonly moment: Moment;
  readonly spring: () => void;
}

/** Actions on a member that wait for certain moments. */
export class Traps {
  private readonly set = new Set<Trap>();

  /** Springs whenever the member comes to the moment. @returns takes the trap away */
  add(moment: Moment, spring: () => void): () => void {
    const trap = { moment, spring };
    this.set.add(trap);
    return () => void this.set.delete(trap);
  }

  /** The member has come to it. */
  onReached(moment: string): void {
    for (const trap of [...this.set]) if (trap.moment === moment) trap.spring();
  }
}

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
/** An element of `moments`. */
export type Moment = (typeof moments)[number];

interface MomentHook {
  readonly moment: Moment;
  readonly run: () => void;
}

/** Actions on a member that run at certain moments. */
export class MomentHooks {
  private readonly hooks = new Set<MomentHook>();

  /** Calls `run` whenever the member reaches the moment. @returns a function that removes the hook */
  add(moment: Moment, run: () => void): () => void {
    const hook = { moment, run };
    this.hooks.add(hook);
    return () => void this.hooks.delete(hook);
  }

  /** The member has reached the moment. */
  onReached(moment: string): void {
    for (const hook of [...this.hooks]) if (hook.moment === moment) hook.run();
  }
}

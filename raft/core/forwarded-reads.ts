interface ForwardedRead {
  /** The caller's number for it. */
  readonly request: number;
  readonly giveUpAt: number;
}

/** Reads that a follower asked of its leader, each under a number of its own, until they are answered or given up. */
export class ForwardedReads {
  /** Oldest first. */
  private readonly asked = new Map<number, ForwardedRead>();

  /** @param nextNumber random, lest an answer to a read from before a restart is taken for that to a newer one */
  constructor(private nextNumber: number) {}

  get size(): number {
    return this.asked.size;
  }

  /** @returns the number to ask under */
  add(read: ForwardedRead): number {
    const number = this.nextNumber++;
    this.asked.set(number, read);
    return number;
  }

  /** Takes the read that was asked under `number`; undefined if it is answered or given up already. */
  take(number: number): number | undefined {
    const request = this.asked.get(number)?.request;
    this.asked.delete(number);
    return request;
  }

  /** Takes the oldest read if its time is over by `now`. */
  takeExpired(now: number): number | undefined {
    for (const [number, { giveUpAt }] of this.asked) return giveUpAt <= now ? this.take(number) : undefined;
    return undefined;
  }
}

interface ForwardedRead {
  /** The caller's number for it. */
  readonly request: number;
  readonly expiresAt: number;
}

/** Reads that a follower asked of its leader, each under a number of its own, until they are answered or given up. */
export class ForwardedReads {
  /** Oldest first. */
  private readonly reads = new Map<number, ForwardedRead>();

  /** @param nextNumber random, lest an answer to a read from before a restart is taken for that to a newer one */
  constructor(private nextNumber: number) {}

  get size(): number {
    return this.reads.size;
  }

  /** @returns the number to ask under */
  addRead(read: ForwardedRead): number {
    const number = this.nextNumber++;
    this.reads.set(number, read);
    return number;
  }

  /** Takes the read that was asked under `number`; undefined if it is answered or given up already. */
  takeRead(number: number): number | undefined {
    const request = this.reads.get(number)?.request;
    this.reads.delete(number);
    return request;
  }

  /** Takes the oldest read if its time is over by `now`. */
  takeExpiredRead(now: number): number | undefined {
    for (const [number, { expiresAt: giveUpAt }] of this.reads)
      return giveUpAt <= now ? this.takeRead(number) : undefined;
    return undefined;
  }
}

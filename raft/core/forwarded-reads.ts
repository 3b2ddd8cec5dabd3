interface PendingForward {
  /** The client's number of the read. */
  readonly request: number;
  /** The tick at which the read is refused. */
  readonly expiresAt: number;
}

/** The reads that a follower forwarded to its leader and that have neither been answered nor expired. */
export class ForwardedReads {
  /** Pending reads by their number on the wire, oldest first. */
  private readonly reads = new Map<number, PendingForward>();

  /** @param nextNumber a random start: an answer from before a restart must not match a new read */
  constructor(private nextNumber: number) {}

  /** The number of pending reads. */
  get size(): number {
    return this.reads.size;
  }

  /** Adds a read. @returns its number on the wire */
  addRead(read: PendingForward): number {
    const number = this.nextNumber++;
    this.reads.set(number, read);
    return number;
  }

  /** Removes the read with `number`. @returns its `request`; undefined if it is not pending */
  takeRead(number: number): number | undefined {
    const request = this.reads.get(number)?.request;
    this.reads.delete(number);
    return request;
  }

  /** Removes the oldest read if it expires by `now`. @returns its `request`, or undefined */
  takeExpiredRead(now: number): number | undefined {
    for (const [number, { expiresAt }] of this.reads) return expiresAt <= now ? this.takeRead(number) : undefined;
    return undefined;
  }
}

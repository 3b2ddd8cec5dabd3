/** Protects the revisions that a read in progress needs from removal. */
export interface Pin {
  /** The read needs what was there at this revision and later. */
  readonly revision: number;
}

/** A pin of a read that only needs the backend open: no compaction waits for it. */
export const onlyOpen = Number.MAX_SAFE_INTEGER;

/** The reads that take more than one turn. A compaction waits for those that began before it. */
export class Pins {
  private readonly held = new Set<Pin>();
  private waiting: { readonly revision: number; readonly resolve: () => void }[] = [];

  hold(revision: number): Pin {
    const pin = { revision };
    this.held.add(pin);
    return pin;
  }

  release(pin: Pin): void {
    this.held.delete(pin);
    const released = this.waiting.filter(({ revision }) => this.hasNoneBelow(revision));
    this.waiting = this.waiting.filter((waiter) => !released.includes(waiter));
    for (const { resolve } of released) resolve();
  }

  /** Resolves once no read needs anything older than `revision`. */
  async whenReleasedBelow(revision: number): Promise<void> {
    if (this.hasNoneBelow(revision)) return;
    await new Promise<void>((resolve) => this.waiting.push({ revision, resolve }));
  }

  /** Resolves once no read is in progress. */
  whenAllReleased(): Promise<void> {
    return this.whenReleasedBelow(Infinity);
  }

  private hasNoneBelow(revision: number): boolean {
    for (const pin of this.held) if (pin.revision < revision) return false;
    return true;
  }
}

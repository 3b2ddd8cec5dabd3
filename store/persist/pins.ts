/** Protects the revisions that a read in progress needs from removal. */
export interface Pin {
  /** The oldest revision that the read needs. */
  readonly revision: number;
}

/** The revision of a pin that only keeps the backend open: no compaction waits for it. */
export const onlyOpen = Number.MAX_SAFE_INTEGER;

/** The reads that take more than one turn. A compaction waits for those that began before it. */
export class Pins {
  private readonly held = new Set<Pin>();
  private waiting: { readonly revision: number; readonly resolve: () => void }[] = [];

  /** Pins a revision until `release`. */
  hold(revision: number): Pin {
    const pin = { revision };
    this.held.add(pin);
    return pin;
  }

  /** Releases a pin. */
  release(pin: Pin): void {
    this.held.delete(pin);
    const released = this.waiting.filter(({ revision }) => this.hasNoneBelow(revision));
    this.waiting = this.waiting.filter((waiter) => !released.includes(waiter));
    for (const { resolve } of released) resolve();
  }

  /** Resolves once no read needs a revision before `revision`. */
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

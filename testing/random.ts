/** A source of random numbers that is repeatable by a seed. */
export interface SeededRandom {
  /** Returns a number in [0, 1). */
  readonly next: () => number;
  /** Returns an integer in [from, to]. */
  between(from: number, to: number): number;
  /** Returns true with this probability. */
  chance(probability: number): boolean;
  /** Returns one of the elements. @throws Error if there is none */
  pick<T>(from: readonly T[]): T;
}

/** Mulberry32: 32 bits of state, sufficient to choose faults, and with the same numbers on every machine. */
export function seededRandom(seed: number): SeededRandom {
  let state = seed | 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (from: number, to: number): number => from + Math.floor(next() * (to - from + 1));
  return {
    next,
    between,
    chance: (probability) => next() < probability,
    pick: <T>(from: readonly T[]): T => {
      if (from.length === 0) throw new Error("nothing to pick from");
      return from[between(0, from.length - 1)] as T;
    },
  };
}

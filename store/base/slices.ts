/** Long work in slices: a generator that yields between them. Other work runs then, and must not remove rows or entries that this work has read. */
export type Sliced<T> = Generator<undefined, T>;

/** Called by sliced work with the number of items (keys, entries, events) visited since its last call; true: the work has to yield. */
export type ShouldYield = (items: number) => boolean;

/** Runs all slices at once. */
export function runAtOnce<T>(work: Sliced<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

/** Long work in slices: a generator that yields between them. Other work runs then, and must not remove rows or entries that this work has read. */
export type Sliced<T> = Generator<undefined, T>;

/** Runs all slices at once. */
export function runAtOnce<T>(work: Sliced<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

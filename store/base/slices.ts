/** Work that may be interrupted: it yields wherever others may run, and nothing it has read so far may go away. */
export type Sliced<T> = Generator<undefined, T>;

/** Does it all at once. */
export function atOnce<T>(work: Sliced<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

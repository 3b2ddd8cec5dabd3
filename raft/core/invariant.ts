/** A broken invariant of consensus. Never caught: the member stops, as a cluster tolerates stopped members, not wrong ones. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
  constructor(broken: string) {
    super(`Broken invariant: ${broken}`);
  }
}

/**
 * Throws InvariantError if `condition` is false. Hot paths throw it themselves: the argument `broken` would be built before every
 * call.
 */
export function invariant(condition: boolean, broken: string): asserts condition {
  if (!condition) throw new InvariantError(broken);
}

/** Ends an exhaustive switch: an unhandled case does not compile. */
export function assertNever(value: never): never {
  throw new InvariantError(`unhandled case ${String(value)}`);
}

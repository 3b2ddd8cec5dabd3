/** What must hold for consensus to be safe did not. Nobody catches it: a stopped member is made up for, a wrong one is not. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
  constructor(broken: string) {
    super(`Broken invariant: ${broken}`);
  }
}

/** Stops this member if `condition` does not hold. (Where it is hot, throw by hand: a text is built before every call.) */
export function invariant(condition: boolean, broken: string): asserts condition {
  if (!condition) throw new InvariantError(broken);
}

/** The end of an exhaustive switch: a case without an answer does not compile. */
export function assertNever(value: never): never {
  throw new InvariantError(`no answer to ${String(value)}`);
}

// Converts counters. Terms, revisions, versions and counts have 64 bits on the wire and are numbers in memory: they grow by one
// from zero and never come near 2^53. Ids are random 64 bits and stay `bigint`.

/**
 * Reads a counter from a request. Beyond 2^53-1 it saturates: the result is still larger than any counter of ours, so it stays "a
 * future revision" or "no limit", as in etcd. (In a response such a value is an error.)
 */
export const counterFromRequest = (value: bigint): number =>
  Math.min(Math.max(Number(value), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);

/** A counter in a response is too large for a number; rounding it would show a wrong value. */
export class CounterError extends Error {
  override readonly name = "CounterError";
  constructor(readonly value: bigint) {
    super(`Cannot read counter ${value}: beyond 2^53-1`);
  }
}

/**
 * Reads a counter from a response, exactly.
 *
 * @throws CounterError if `value` is not between -(2^53-1) and 2^53-1
 */
export function counterFromResponse(value: bigint): number {
  const counter = Number(value);
  if (!Number.isSafeInteger(counter)) throw new CounterError(value);
  return counter;
}

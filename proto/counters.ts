// Terms, revisions, versions and counts are 64-bit on the wire and plain numbers here: counted by ones from zero, they
// never come near 2^53. Ids are random 64 bits and stay `bigint`.

/**
 * Reads a counter off a request. Beyond 2^53-1 it saturates: that is still past anything we hold, so it
 * stays "a future revision" or "no limit", as in etcd. (In a response the same value is an error.)
 */
export const counterFromRequest = (value: bigint): number =>
  Math.min(Math.max(Number(value), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);

/** A counter in an answer that no count can have reached: rounding it would show a number that is not there. */
export class CounterError extends Error {
  override readonly name = "CounterError";
  constructor(readonly value: bigint) {
    super(`Cannot read counter ${value}: beyond 2^53-1`);
  }
}

/**
 * Reads a counter off an answer, exactly.
 *
 * @throws CounterError if `value` is not between -(2^53-1) and 2^53-1
 */
export function counterFromResponse(value: bigint): number {
  const counter = Number(value);
  if (!Number.isSafeInteger(counter)) throw new CounterError(value);
  return counter;
}

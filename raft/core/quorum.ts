/** Returns the size of a majority of `members` voters. Any two majorities share a voter. */
export const quorumSize = (members: number): number => Math.floor(members / 2) + 1;

/**
 * Returns the greatest value that a majority has reached.
 *
 * @param values one value per voter; sorted in place, so that the hot path allocates nothing
 */
export function quorumValue(values: Float64Array): number {
  values.sort();
  return values[values.length - quorumSize(values.length)] ?? 0;
}

/** Returns the size of a majority of `members` voters. Any two majorities share a voter. */
export const quorumSize = (members: number): number => Math.floor(members / 2) + 1;

/**
 * Returns the greatest value that a majority has reached.
 *
 * @param values one value per voter; sorted in place, so that the hot path allocates nothing
 */
export function quorumValue(values: Float64Array): number {
  sortFew(values);
  return values[values.length - quorumSize(values.length)] ?? 0;
}

/** Sorts by insertion: for a few voters that costs less than the call of a sort. */
const sortFew = (values: Float64Array): void => {
  for (let i = 1; i < values.length; i++) {
    const value = values[i] ?? 0;
    let at = i;
    for (; at > 0 && (values[at - 1] ?? 0) > value; at--) values[at] = values[at - 1] ?? 0;
    values[at] = value;
  }
};

/**
 * Returns an empty array that V8 keeps in the form for objects (`PACKED_ELEMENTS`).
 *
 * An array that begins as `[]` has the form for small integers, and takes the other one when the first object is added. Compiled
 * code expects the forms that it has seen, so the first addition to each new `[]` of a long-lived object discards the code that
 * does it: on a new connection, for instance, that of all connections.
 */
export const emptyList = <T>(): T[] => {
  const list: (T | undefined)[] = [undefined];
  list.length = 0; // keeps the form
  return list as T[];
};

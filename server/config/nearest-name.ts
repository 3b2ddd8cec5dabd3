// Suggests a known name for an unknown one.

/** The maximum number of typing errors in a name: this many letters, and a third of the letters. */
const maxTypingErrors = 3;

/** Returns the known name that is most similar to `name`, if any is similar. */
export const nearestName = (name: string, known: readonly string[]): string | undefined => {
  const distances = known
    .map((other) => ({ other, distance: editDistance(name, other) }))
    .filter(({ distance }) => distance <= Math.min(maxTypingErrors, name.length / 3));
  return distances.sort((a, b) => a.distance - b.distance)[0]?.other;
};

/** Returns the number of letters to insert, remove or replace (Levenshtein). */
const editDistance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, n) => n);
  for (const [i, letter] of Array.from(from).entries()) {
    const next = [i + 1];
    for (const [j, other] of Array.from(to).entries())
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (letter === other ? 0 : 1)));
    row = next;
  }
  return row[to.length] ?? 0;
};

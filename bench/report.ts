// Statistics, and printing of numbers and tables.

/** Returns the value below which `share` of the values are. @param sorted ascending */
export const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;

/** Returns the median. */
export const median = (values: readonly number[]): number =>
  percentile(
    [...values].sort((a, b) => a - b),
    0.5,
  );

/** Returns the median; undefined if one of the values is. */
export const medianOf = (values: readonly (number | undefined)[]): number | undefined => {
  const known = values.filter((value) => value !== undefined);
  return known.length < values.length ? undefined : median(known);
};

/** Formats a number; "-" for one that could not be measured. */
export const format = (value: number | undefined, digits = 0): string =>
  value === undefined || Number.isNaN(value) ? "-" : value.toFixed(digits);

/** Formats the ratio of two numbers. */
export const ratio = (a: number | undefined, b: number | undefined): string =>
  a === undefined || b === undefined ? "-" : `${(a / b).toFixed(2)}x`;

/** Prints a table: the first `textColumns` columns aligned to the left, the others to the right. */
export const printTable = (
  head: readonly string[],
  rows: readonly (readonly string[])[],
  textColumns: number,
): void => {
  const widths = head.map((cell, column) => Math.max(cell.length, ...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of [head, ...rows]) {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column < textColumns ? cell.padEnd(width) : cell.padStart(width);
    });
    console.log(cells.join("   ").trimEnd());
  }
  console.log();
};

// The part of its cases that a test tries: some in `npm test`, all with THOROUGH=1, as in `.ci/run`. Another SEED tries other ones.

const isThorough = process.env["THOROUGH"] === "1";
const seed = Number(process.env["SEED"] ?? 1);

/** Returns the number of cases for a property. */
export const runs = ({ usually, thoroughly }: { readonly usually: number; readonly thoroughly: number }): number =>
  isThorough ? thoroughly : usually;

/** Returns the numbers of the cases to try out of `count`: every n-th, or all. */
export const everyNth = (n: number, count: number): readonly number[] => {
  const step = isThorough ? 1 : n;
  const first = Math.min(seed % step, Math.max(count - 1, 0));
  return Array.from({ length: Math.ceil((count - first) / step) }, (_, position) => first + position * step);
};

/**
 * Options of a property that bound its time: a run, or the search for a smaller failing case, then ends with the smallest case so far,
 * instead of taking hours.
 */
export const propertyOptions = {
  seed,
  interruptAfterTimeLimit: 5 * 60_000,
  markInterruptAsFailure: true,
} as const;

// How many of its cases a test tries: a part in `npm test`, all with THOROUGH=1, as in `.ci/run`. Another SEED tries another part.

const isThorough = process.env["THOROUGH"] === "1";
const seed = Number(process.env["SEED"] ?? 1);

/** Returns how often a property is tried. */
export const runs = ({ usually, thoroughly }: { readonly usually: number; readonly thoroughly: number }): number =>
  isThorough ? thoroughly : usually;

/** Returns the numbers of the cases to try out of `count`: every n-th, or all. */
export const everyNth = (n: number, count: number): readonly number[] => {
  const step = isThorough ? 1 : n;
  const first = Math.min(seed % step, Math.max(count - 1, 0));
  return Array.from({ length: Math.ceil((count - first) / step) }, (_, position) => first + position * step);
};

/**
 * Options of a property: a run, or the search for a smaller case that fails, that goes on for longer fails with the smallest case so
 * far instead of going on for hours.
 */
export const propertyOptions = {
  seed,
  interruptAfterTimeLimit: 5 * 60_000,
  markInterruptAsFailure: true,
} as const;

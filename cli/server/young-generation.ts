import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** The size of one of its two halves from which the young generation no longer grows, with a margin for the heads of V8's pages. */
const maxHalfBytes = 7 * 1024 * 1024;

/** Returns V8's `--semi-space-growth-factor` for halves of this size. V8's own is 2. */
export const growthFactor = (halfBytes: number): number => (halfBytes >= maxHalfBytes ? 1 : 2);

/** Returns the size of one half of the young generation in bytes. V8 may give back the other half for a time, so the memory of both tells less. */
export const youngHalfBytes = (): number => {
  const space = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space");
  return space === undefined ? 0 : space.space_used_size + space.space_available_size;
};

/**
 * Has V8 keep the young generation of this process at 16 MiB, until the process ends. V8 lets it grow to 32 MiB (Node 20, 22) or 64 (Node 24) and
 * fills all of it before each young collection. Requests leave few objects that outlive them, so a collection of half the memory
 * takes half the time, and the CPU of the loads in `bench/` is the same.
 *
 * `--max-semi-space-size` does the same, but only on the command line: V8 reads it when the heap is made. The factor is read each time
 * the young generation grows, which happens in a collection, and V8 shrinks it in an idle process.
 */
export const limitYoungGeneration = (): void => {
  let factor = growthFactor(0);
  const look = (): void => {
    const wanted = growthFactor(youngHalfBytes());
    if (wanted === factor) return;
    factor = wanted;
    setFlagsFromString(`--semi-space-growth-factor=${factor}`);
  };
  look();
  new PerformanceObserver(look).observe({ entryTypes: ["gc"] });
};

import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** The size from which the young generation, two halves of the same size, no longer grows. */
const maxYoungBytes = 16 * 1024 * 1024;

/** Returns V8's `--semi-space-growth-factor` for a young generation of this size. V8's own is 2. */
export const growthFactor = (youngBytes: number): number => (youngBytes >= maxYoungBytes ? 1 : 2);

/** The memory of the young generation, both halves. */
export const youngGenerationBytes = (): number =>
  getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0;

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
    const wanted = growthFactor(youngGenerationBytes());
    if (wanted === factor) return;
    factor = wanted;
    setFlagsFromString(`--semi-space-growth-factor=${factor}`);
  };
  look();
  new PerformanceObserver(look).observe({ entryTypes: ["gc"] });
};

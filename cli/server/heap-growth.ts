import { getHeapStatistics, setFlagsFromString } from "node:v8";

/** The interval of the checks of the heap's size. */
const lookMs = 5_000;

/** The growth of a larger heap is left to V8: the growth is a multiple of the heap, and so is the garbage. */
const maxHeapBytes = 32 * 1024 * 1024;

/** The growth of a small heap from one full collection to the next, in percent; buffers that survive a young collection count. */
const growthOfSmallHeap = 400;

/**
 * Returns V8's `--heap-growing-percent` for a heap in use; 0 leaves it to V8.
 *
 * V8 counts buffers outside its heap as growth of the heap. The heap of a member with few keys takes 12 MiB, so a hundred values of
 * 128 KiB, with a few copies of each, are a reason for a full collection, and full collections take a third of the CPU of such a load.
 */
export const growthPercent = (heapBytes: number): number => (heapBytes <= maxHeapBytes ? growthOfSmallHeap : 0);

/** Makes full collections rarer while the heap of this process is small. Runs until the process ends. */
export const growSmallHeap = (): void => {
  let percent = -1;
  const look = (): void => {
    const wanted = growthPercent(getHeapStatistics().used_heap_size);
    if (wanted === percent) return;
    percent = wanted;
    setFlagsFromString(`--heap-growing-percent=${percent}`); // V8 reads the flag after each full collection
  };
  look();
  setInterval(look, lookMs).unref();
};

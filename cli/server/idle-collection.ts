import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Logger } from "../../server/index.js";

/** The interval of the checks of the process's memory and load. */
const lookMs = 5_000;
/** Minimum number of checks from one collection to the next: half a minute. */
const looksBetween = 6;
/**
 * The number of checks until a collection is repeated although no buffers were added, because buffers that were in use then may
 * be garbage now: two minutes, doubled each time, up to an hour.
 */
const repetition = { firstLooks: 24, mostLooks: 720 };
/** An idle member uses at most this share of one core between two checks. A member without requests uses 2 to 3 %. */
const maxIdleShare = 0.1;
/** A collection is due if buffers have grown by this much over the smallest measured size; less is left to V8. */
const minAddedBytes = 32 * 1024 * 1024;
/** A full collection stops the process, for about 3 ms per MiB of the heap in use: a larger heap is left to V8. */
const maxHeapBytes = 32 * 1024 * 1024;

/** The load and the memory of a process. */
export interface ProcessUse {
  /** CPU time since the last check, as a share of one core. */
  readonly cpuShare: number;
  /** Bytes of buffers outside V8's heap, including garbage. */
  readonly bufferBytes: number;
  /** Bytes of V8's heap in use, including garbage. */
  readonly heapBytes: number;
}

/**
 * Decides when the garbage of an idle member is collected. V8 collects when memory is allocated, so a member without
 * requests keeps the buffers of all answers since the last collection.
 *
 * Example: a member uses 10 MiB of buffers. Clients request 300 MiB of answers and disconnect: the garbage is collected at the
 * next check at which the member is idle. 50 MiB remain, because they are in use: the next collection is due at 82 MiB.
 */
export class IdleCollection {
  /** The smallest size of the buffers that was measured since the last collection. */
  private leastBytes = 0;
  private looksUntilNext = 0;
  private looksSince = 0;
  private looksToRepeat = repetition.firstLooks;
  private isGarbageKnown = false;

  constructor(private readonly collect: () => void) {}

  /**
   * Makes a collection due at the next check at which the process is idle, even if no buffers were added: the caller has just
   * released objects.
   */
  expectGarbage(): void {
    this.isGarbageKnown = true;
  }

  look({ cpuShare, bufferBytes, heapBytes }: ProcessUse): void {
    this.leastBytes = Math.min(this.leastBytes, bufferBytes);
    this.looksSince += 1;
    if (this.looksUntilNext > 0) {
      this.looksUntilNext -= 1;
      return;
    }
    if (heapBytes > maxHeapBytes || cpuShare > maxIdleShare) return;
    const isAdded = this.isGarbageKnown || bufferBytes - this.leastBytes >= minAddedBytes;
    if (!isAdded && (bufferBytes < minAddedBytes || this.looksSince < this.looksToRepeat)) return;
    this.looksToRepeat = isAdded ? repetition.firstLooks : Math.min(2 * this.looksToRepeat, repetition.mostLooks);
    this.looksSince = 0;
    this.isGarbageKnown = false;
    this.collect();
    this.leastBytes = bufferBytes; // V8 frees buffers after the collection, on another thread: later checks measure less
    this.looksUntilNext = looksBetween - 1;
  }
}

/** Collects garbage whenever this process is idle and has many buffers. Runs until the process ends. @returns the object that decides */
export const collectWhileIdle = (logger: Logger): IdleCollection => {
  const collection = new IdleCollection(() => {
    const began = performance.now();
    collectGarbage();
    logger.debug("collected garbage while idle", { tookMs: performance.now() - began });
  });
  let [lookedAt, cpu] = [performance.now(), process.cpuUsage()];
  const look = (): void => {
    const { user, system } = process.cpuUsage(cpu);
    const cpuShare = (user + system) / 1_000 / (performance.now() - lookedAt);
    [lookedAt, cpu] = [performance.now(), process.cpuUsage()];
    const { external_memory: bufferBytes, used_heap_size: heapBytes } = getHeapStatistics();
    collection.look({ cpuShare, bufferBytes, heapBytes });
  };
  setInterval(look, lookMs).unref();
  return collection;
};

let gc: (() => void) | undefined;

const collectGarbage = (): void => {
  if (gc === undefined) {
    setFlagsFromString("--expose-gc"); // affects contexts that are created from now on
    gc = runInNewContext("gc") as () => void;
  }
  gc();
};

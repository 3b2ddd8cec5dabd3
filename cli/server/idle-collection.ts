import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Logger } from "../../server/index.js";

/** Memory and load of the process are looked at so often. */
const lookMs = 5_000;
/** Looks from one collection to the next, at least: half a minute. */
const looksBetween = 6;
/**
 * Looks from one collection to the next while nothing is added, as what was in use then may be garbage by now: two minutes, and
 * twice as long each time, up to an hour.
 */
const repetition = { firstLooks: 24, mostLooks: 720 };
/** CPU time between two looks, as a share of one core. A member without requests takes 2 to 3 %. */
const maxIdleShare = 0.1;
/** Buffers that were added since the least that was seen; fewer are left to V8. */
const minAddedBytes = 32 * 1024 * 1024;
/** A full collection stops the process, for about 3 ms per MiB of the heap in use: a larger heap is left to V8. */
const maxHeapBytes = 32 * 1024 * 1024;

/** The load and the memory of a process. */
export interface ProcessUse {
  /** CPU time since the last look, as a share of one core. */
  readonly cpuShare: number;
  /** Buffers outside V8's heap, with those that are garbage. */
  readonly bufferBytes: number;
  /** V8's heap in use, with its garbage. */
  readonly heapBytes: number;
}

/**
 * Decides when the garbage of an idle member is collected. V8 collects when memory is allocated, so a member without
 * requests keeps the buffers of all answers since the last collection.
 *
 * A member uses 10 MiB of buffers. Clients ask for 300 MiB of answers and leave: garbage is collected at the next look at
 * which the member is idle. 50 MiB are left, as they are in use: the next collection is due at 82 MiB.
 */
export class IdleCollection {
  /** The least that was seen since the last collection. */
  private leastBytes = 0;
  private looksUntilNext = 0;
  private looksSince = 0;
  private looksToRepeat = repetition.firstLooks;
  private isGarbageKnown = false;

  constructor(private readonly collect: () => void) {}

  /** Has garbage collected at the next look at which the process is idle, however little was added: its objects are known to be garbage. */
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
    this.leastBytes = bufferBytes; // V8 frees buffers after the collection, on another thread: later looks see less
    this.looksUntilNext = looksBetween - 1;
  }
}

/** Collects garbage whenever this process is idle and keeps many buffers, until it ends. @returns the decisions, which may be told of garbage */
export const collectWhileIdle = (logger: Logger): IdleCollection => {
  const collection = new IdleCollection(() => {
    const began = performance.now();
    collectGarbage();
    logger.debug("collected garbage while idle", { ms: performance.now() - began });
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
    setFlagsFromString("--expose-gc"); // holds for contexts that are made from now on
    gc = runInNewContext("gc") as () => void;
  }
  gc();
};

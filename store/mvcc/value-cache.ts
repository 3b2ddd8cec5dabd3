import type { KeyEntry } from "./key-index.js";

/** Bytes that V8 and the allocator add to those of a small value. */
const overheadBytes = 300;

/** The queue is rid of entries without a value when they are more than those with one, and more than this … */
const maxEmptyEntries = 1_000;

/** … so many at a time: a lease that ends leaves any number of them. */
const entriesPerSweep = 100;

/** Values that one eviction spares because they were asked for; then it takes what comes: it must not go through all of them. */
const maxSpared = 100;

const costOf = (value: Uint8Array): number => value.length + overheadBytes;

/**
 * Keeps the encoded KeyValues of live keys in memory, up to a bound in bytes. Beyond it, those not asked for since they
 * last came to the front of the queue go first (second chance), and the next read of theirs goes to disk.
 */
export class ValueCache {
  private queue: KeyEntry[] = [];
  /** Index of the head of the queue; entries before it have been taken off. */
  private head = 0;
  private heldBytes = 0;
  private heldValues = 0;

  constructor(private readonly maxBytes: number) {}

  get bytes(): number {
    return this.heldBytes;
  }

  /** Entries that wait for their turn to go, those without a value included. */
  get queued(): number {
    return this.queue.length - this.head;
  }

  /** Keeps `value` as the newest of `entry`. */
  hold(entry: KeyEntry, value: Uint8Array): void {
    this.drop(entry);
    entry.value = value;
    this.heldBytes += costOf(value);
    this.heldValues += 1;
    if (!entry.queued) {
      entry.queued = true;
      entry.used = false;
      this.queue.push(entry);
    }
    if (this.heldBytes > this.maxBytes) this.evict();
    else if (this.queued > 2 * this.heldValues + maxEmptyEntries) this.sweep();
  }

  /** Forgets the value of `entry`: it is no longer its newest. */
  drop(entry: KeyEntry): void {
    if (entry.value === undefined) return;
    this.heldBytes -= costOf(entry.value);
    this.heldValues -= 1;
    entry.value = undefined;
  }

  private evict(): void {
    let spared = 0;
    while (this.heldBytes > this.maxBytes) {
      const entry = this.queue[this.head++];
      if (entry === undefined) break;
      if (entry.value !== undefined && entry.used && spared++ < maxSpared) {
        entry.used = false;
        this.queue.push(entry);
        continue;
      }
      this.drop(entry);
      entry.queued = false;
    }
    this.shorten();
  }

  /** Deleted keys leave their entries behind in the queue. The others go to its end. */
  private sweep(): void {
    for (let n = 0; n < entriesPerSweep; n++) {
      const entry = this.queue[this.head++];
      if (entry === undefined) break;
      if (entry.value === undefined) entry.queued = false;
      else this.queue.push(entry);
    }
    this.shorten();
  }

  private shorten(): void {
    if (this.head <= this.queue.length / 2) return;
    this.queue = this.queue.slice(this.head);
    this.head = 0;
  }
}

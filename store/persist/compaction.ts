import { ClosedError, type Key, type Revision, type StoreClock } from "../base/index.js";
import type { RemovedChange, StoreData } from "../mvcc/index.js";
import type { Pins } from "./pins.js";
import type { WriteBehind } from "./write-behind.js";

/** A compaction that has taken effect for reads. */
export interface Compaction {
  /** Resolves once everything it makes unreadable is gone from disk. Rejects with a StoreError if that will not be. */
  readonly finished: Promise<void>;
}

/** The changes of the store; `Contents` implements it. */
export interface StoreChanges {
  /** Runs work that changes the index once no revision is half applied: taking that back needs what was there before. */
  whenIdle<T>(work: () => T): Promise<T>;
}

/** The part of a rest that follows a slice in which nothing was removed: it costs that much less. */
const restOfBareSlice = 0.2;

/**
 * Removes what compactions made unreadable: in slices between requests, once the compaction is on disk and the reads
 * that began before it are done. One at a time; those that wait become one.
 *
 * The compactor rests after each slice, as etcd does after each batch. A slice costs more than the turn it takes: the disk
 * syncs its batch and LevelDB merges its tables, while writes wait for the same disk.
 */
export class Compactor {
  private last: Compaction = { finished: Promise.resolve() };
  /** The newest compaction known to be on disk: only what no restart can ask for again may be removed. */
  private durable = 0;
  private finished = 0;
  private stopped = false;
  /** Ends the rest that is being taken. */
  private wake: () => void = () => undefined;

  constructor(
    private readonly data: StoreData,
    private readonly writer: WriteBehind,
    private readonly pins: Pins,
    private readonly clock: StoreClock,
    private readonly changes: StoreChanges,
  ) {}

  /** The one begun last; its end is that of all before it. */
  get newest(): Compaction {
    return this.last;
  }

  /** @param onDisk resolves once the compaction is */
  start(revision: Revision, onDisk: Promise<void>): Compaction {
    const finished = this.run(revision, onDisk, this.ended());
    finished.catch(() => undefined); // whoever is interested awaits it; nobody has to
    this.last = { finished };
    return this.last;
  }

  /** The work is to end after the slice it is at. */
  stop(): void {
    this.stopped = true;
    this.wake();
  }

  /** Resolves once it has. */
  ended(): Promise<void> {
    return this.last.finished.catch(() => undefined);
  }

  private async run(revision: Revision, onDisk: Promise<void>, before: Promise<void>): Promise<void> {
    await onDisk;
    this.durable = Math.max(this.durable, revision);
    await before;
    if (this.finished >= revision) return;
    const target = this.durable as Revision;
    await this.pins.releasedBelow(target);
    await this.sweep(target);
    await this.writer.finishCompaction(target);
    this.finished = target;
  }

  private async sweep(revision: Revision): Promise<void> {
    const { index, limits, turns } = this.data;
    let from: Key | undefined = "";
    while (from !== undefined) {
      if (this.stopped) throw new ClosedError();
      const removed: RemovedChange[] = [];
      const start: Key = from;
      const bounds = { revision, maxEntries: limits.entriesPerSlice, maxRemovals: limits.removalsPerBatch };
      from = await this.changes.whenIdle(() => {
        turns.spend(limits.entriesPerSlice);
        return index.compactFrom(start, bounds, removed);
      });
      // Oldest first within a key: were a delete's row to go before the put's, a crash between would revive the key.
      for (let first = 0; first < removed.length; first += limits.removalsPerBatch)
        await this.writer.remove(removed.slice(first, first + limits.removalsPerBatch));
      if (from !== undefined) await this.rest(Math.max(restOfBareSlice, removed.length / limits.removalsPerBatch));
      await turns.pause();
    }
  }

  /** @param batches how many batches of removals the work before it comes to */
  private async rest(batches: number): Promise<void> {
    const ms = batches * this.data.limits.compactionRestMs;
    if (ms === 0 || this.stopped) return;
    const { clock } = this;
    let timer: unknown;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      timer = clock.setTimeout(resolve, ms);
    });
    clock.clearTimeout(timer);
  }
}

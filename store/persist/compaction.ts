import { type Backend, type BlockChange, comparePositions } from "../disk/index.js";
import { ClosedError, type Key, type Revision, slicedSort, type StoreClock } from "../base/index.js";
import type { StoreData } from "../mvcc/index.js";
import { BlockRemovals } from "./block-removals.js";
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

/** Surroundings of a compactor. */
export interface CompactorOptions {
  readonly backend: Backend;
  readonly clock: StoreClock;
  readonly changes: StoreChanges;
}

/** The part of a rest that follows a slice in which nothing is removed from disk: it costs that much less. */
const restOfForgetting = 0.1;

/**
 * Removes what compactions made unreadable: in slices between requests, once the compaction is on disk and the reads
 * that began before it are done. One at a time; those that wait become one.
 *
 * A pass makes the index forget changes, in the order of their keys, then removes these from disk in the order in which they
 * happened: so each block is written once.
 *
 * The compactor rests after each slice, as etcd does after each batch. A slice costs more than the turn it takes: the disk
 * syncs its batch and LevelDB merges its tables, while writes wait for the same disk.
 */
export class Compactor {
  private last: Compaction = { finished: Promise.resolve() };
  /** The newest compaction known to be on disk: only what no restart can ask for again may be removed. */
  private durable = 0;
  private finished = 0;
  /** Compactions that have begun and not ended. */
  private running = 0;
  private stopped = false;
  /** Ends the rest that is being taken. */
  private wake: () => void = () => undefined;
  private readonly removals: BlockRemovals;

  constructor(
    private readonly data: StoreData,
    private readonly writer: WriteBehind,
    private readonly pins: Pins,
    private readonly options: CompactorOptions,
  ) {
    this.removals = new BlockRemovals(options.backend, data.blocks, data.limits);
  }

  /** Whether no compaction is under way. */
  get isIdle(): boolean {
    return this.running === 0;
  }

  /** The one begun last; its end is that of all before it. */
  get newest(): Compaction {
    return this.last;
  }

  /** @param onDisk resolves once the compaction is */
  start(revision: Revision, onDisk: Promise<void>): Compaction {
    this.running += 1;
    const finished = this.run(revision, onDisk, this.whenEnded()).finally(() => (this.running -= 1));
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
  whenEnded(): Promise<void> {
    return this.last.finished.catch(() => undefined);
  }

  private async run(revision: Revision, onDisk: Promise<void>, before: Promise<void>): Promise<void> {
    await onDisk;
    this.durable = Math.max(this.durable, revision);
    await before;
    if (this.finished >= revision) return;
    const target = this.durable as Revision;
    await this.pins.whenReleasedBelow(target);
    const { clock } = this.options;
    const { stats } = this.data;
    const beganAt = clock.now();
    await this.sweep(target);
    await this.writer.finishCompaction(target);
    this.finished = target;
    stats.compactedAt = clock.now();
    stats.compactionMs.observe(stats.compactedAt - beganAt);
  }

  private async sweep(revision: Revision): Promise<void> {
    let from: Key | undefined = "";
    while (from !== undefined) {
      const gone: BlockChange[] = [];
      from = await this.forget(from, revision, gone);
      await this.remove(gone);
    }
  }

  /** Makes the index forget as much as one pass may. @returns the key to go on from; absent: all are done */
  private async forget(start: Key, revision: Revision, gone: BlockChange[]): Promise<Key | undefined> {
    const { index, limits, turns, stats } = this.data;
    const { clock } = this.options;
    const bounds = { revision, maxEntries: limits.entriesPerSlice, maxRemovals: limits.removalsPerBatch };
    let from: Key | undefined = start;
    while (from !== undefined && gone.length < limits.removalsPerPass) {
      this.checkGoing();
      const first: Key = from;
      from = await this.options.changes.whenIdle(() => {
        turns.spend(limits.entriesPerSlice);
        const beganAt = clock.now();
        const next = index.compactFrom(first, bounds, gone);
        stats.indexCompactionMs.observe(clock.now() - beganAt);
        return next;
      });
      if (from !== undefined) await this.rest(restOfForgetting);
      await turns.pause();
    }
    return from;
  }

  private async remove(gone: readonly BlockChange[]): Promise<void> {
    const { blocks, limits, turns, stats } = this.data;
    const { clock } = this.options;
    // Oldest first: were a delete to go before the put of its key, a crash between would revive the key.
    const sorting = slicedSort(gone, comparePositions, (changes) => turns.spend(changes));
    const sorted = await turns.run(sorting, this.checkGoing);
    for (let at = 0; at < sorted.length;) {
      this.checkGoing();
      turns.spend(limits.entriesPerSlice);
      const beganAt = clock.now();
      const removal = this.removals.plan(sorted, at);
      at += removal.changes;
      await this.writer.remove(removal);
      stats.compactionBatchMs.observe(clock.now() - beganAt);
      stats.compactedChanges += removal.changes;
      for (const [block, count] of removal.counts) blocks.setCount(block, count);
      if (at < sorted.length) await this.rest(Math.min(1, removal.cost / limits.removalsPerBatch));
      await turns.pause();
    }
    blocks.tidy();
  }

  private readonly checkGoing = (): void => {
    if (this.stopped) throw new ClosedError();
  };

  /** @param batches how many batches of removals the work before it comes to */
  private async rest(batches: number): Promise<void> {
    const ms = batches * this.data.limits.compactionRestMs;
    if (ms === 0 || this.stopped) return;
    const { clock } = this.options;
    let timer: unknown;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      timer = clock.setTimeout(resolve, ms);
    });
    clock.clearTimeout(timer);
  }
}

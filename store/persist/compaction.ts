import { type Backend, type BlockChange, comparePositions } from "../disk/index.js";
import { ClosedError, type Key, type Revision, sortInSlices, type StoreClock } from "../base/index.js";
import type { StoreData } from "../mvcc/index.js";
import { BlockRemovals } from "./block-removals.js";
import type { Pins } from "./pins.js";
import type { WriteBehind } from "./write-behind.js";

/** A compaction that has taken effect for reads. */
export interface Compaction {
  /** Resolves once all changes that it makes unreadable are removed from disk. Rejects with a StoreError if they cannot be removed. */
  readonly whenFinished: Promise<void>;
}

/** The changes of the store; `Contents` implements it. */
export interface StoreChanges {
  /** Runs work that removes changes from the index, once no revision is half applied: to undo it, the earlier changes are needed. */
  whenIdle<T>(work: () => T): Promise<T>;
}

/** The options of a compactor. */
export interface CompactorOptions {
  readonly backend: Backend;
  readonly clock: StoreClock;
  readonly changes: StoreChanges;
}

/** The pause after a slice that removes nothing from disk, as a part of the pause after a batch: such a slice costs less. */
const pauseOfIndexSlice = 0.1;

/**
 * Removes the changes that compactions made unreadable, in slices between requests, once the compaction is on disk and the reads that
 * began before it have ended. One compaction runs at a time; all that wait run together, as the newest one.
 *
 * A pass removes changes from the index, in the order of their keys, then removes the same changes from disk, oldest first, so that each
 * block is written once.
 *
 * The compactor pauses after each slice, as etcd does after each batch: the disk syncs the batch and LevelDB merges tables meanwhile,
 * and writes wait for the same disk.
 */
export class Compactor {
  private last: Compaction = { whenFinished: Promise.resolve() };
  /** The newest compaction on disk. Changes may be removed only up to it: after a restart an older revision could be read again. */
  private durable = 0;
  private finishedRevision = 0;
  /** The number of compactions under way. */
  private running = 0;
  private isStopped = false;
  /** Ends the present pause. */
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

  /** Tells whether no compaction is under way. */
  get isIdle(): boolean {
    return this.running === 0;
  }

  /** The compaction begun last, which ends after all earlier ones. */
  get newest(): Compaction {
    return this.last;
  }

  /** Starts a compaction. @param onDisk resolves once its revision is on disk */
  start(revision: Revision, onDisk: Promise<void>): Compaction {
    this.running += 1;
    const whenFinished = this.run(revision, onDisk, this.whenEnded()).finally(() => (this.running -= 1));
    whenFinished.catch(() => undefined); // a caller need not await it
    this.last = { whenFinished };
    return this.last;
  }

  /** Stops the work after the present slice. */
  stop(): void {
    this.isStopped = true;
    this.wake();
  }

  /** Resolves once the work has ended. */
  whenEnded(): Promise<void> {
    return this.last.whenFinished.catch(() => undefined);
  }

  private async run(revision: Revision, onDisk: Promise<void>, before: Promise<void>): Promise<void> {
    await onDisk;
    this.durable = Math.max(this.durable, revision);
    await before;
    if (this.finishedRevision >= revision) return;
    const target = this.durable as Revision;
    await this.pins.whenReleasedBelow(target);
    const { clock } = this.options;
    const { stats } = this.data;
    const beganAt = clock.now();
    await this.sweep(target);
    await this.writer.finishCompaction(target);
    this.finishedRevision = target;
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

  /** Removes the changes of one pass from the index. @returns the key to continue from; undefined: the index is compacted */
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
      if (from !== undefined) await this.pause(pauseOfIndexSlice);
      await turns.pause();
    }
    return from;
  }

  private async remove(gone: readonly BlockChange[]): Promise<void> {
    const { blocks, limits, turns, stats } = this.data;
    const { clock } = this.options;
    // Oldest first: if a delete was removed before an earlier put of its key, a crash in between would bring the key back.
    const sorting = sortInSlices(gone, comparePositions, (changes) => turns.spend(changes));
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
      if (at < sorted.length) await this.pause(Math.min(1, removal.cost / limits.removalsPerBatch));
      await turns.pause();
    }
    blocks.tidy();
  }

  private readonly checkGoing = (): void => {
    if (this.isStopped) throw new ClosedError();
  };

  /** Pauses. @param batches the cost of the slice before, in batches of removals */
  private async pause(batches: number): Promise<void> {
    const ms = batches * this.data.limits.compactionRestMs;
    if (ms === 0 || this.isStopped) return;
    const { clock } = this.options;
    let timer: unknown;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      timer = clock.setTimeout(resolve, ms);
    });
    clock.clearTimeout(timer);
  }
}

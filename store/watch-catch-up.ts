import { pause, type StoreClock } from "./clock.js";
import type { Revision } from "./revision.js";
import type { StoreData } from "./store-data.js";
import type { WatchEvent } from "./watch-event.js";
import type { HistorySlice, WatchHistory } from "./watch-history.js";
import type { Watcher } from "./watch.js";
import { WatcherGroup } from "./watcher-group.js";

/** The store as catching up sees it, always as it is now. */
export interface Present {
  readonly revision: Revision;
  readonly compactRevision: Revision;
}

/** Where those go that leave: each is no longer behind when this is called. */
export interface CatchUpListener {
  readonly caughtUp: (watcher: Watcher) => void;
  readonly refused: (watcher: Watcher) => void;
  readonly ended: (watcher: Watcher) => void;
}

/**
 * Tells watchers that are behind of the past, a slice at a time, between requests. They take turns: one that has far to
 * go does not hold up the others, and a slice serves all those whose next revision lies in it.
 */
export class CatchUp {
  private readonly behind = new WatcherGroup();
  /** The same watchers; the first one's turn is next. */
  private readonly turns = new Set<Watcher>();
  private isRunning = false;
  private isStopped = false;
  private last: Promise<void> = Promise.resolve();

  constructor(
    private readonly data: StoreData,
    private readonly history: WatchHistory,
    private readonly clock: StoreClock,
    private readonly present: Present,
    private readonly listener: CatchUpListener,
  ) {}

  add(watcher: Watcher): void {
    if (this.isStopped) return;
    this.behind.add(watcher);
    this.turns.add(watcher);
    if (this.isRunning) return;
    this.isRunning = true;
    this.last = this.run();
  }

  delete(watcher: Watcher): void {
    this.behind.delete(watcher);
    this.turns.delete(watcher);
  }

  /** From now on nobody is told anything. */
  stop(): void {
    this.isStopped = true;
    this.turns.clear();
  }

  /** Resolves once nothing is read any more either. */
  ended(): Promise<void> {
    return this.last;
  }

  private async run(): Promise<void> {
    for (;;) {
      await pause(this.clock); // also so that whoever began a watch can say so before its first events
      this.endCompacted();
      const [first] = this.turns;
      if (first === undefined) break;
      await this.serve(first);
    }
    this.isRunning = false;
  }

  private endCompacted(): void {
    const { compactRevision } = this.present;
    for (const watcher of [...this.turns]) {
      if (watcher.next >= compactRevision) continue;
      this.end(watcher);
      watcher.receiver.compacted(compactRevision);
    }
  }

  private async serve(first: Watcher): Promise<void> {
    try {
      const from = first.next;
      const slice = await this.history.read(from, this.present.revision);
      const batches = await this.sort(from, slice);
      await this.tell(slice.through, batches);
    } catch (error) {
      this.fail(first, error); // others that need what cannot be read find that out in their own turns
    }
  }

  /** What of a slice each watcher is to be told; nothing, too, is something it can go on from. */
  private async sort(from: Revision, slice: HistorySlice): Promise<Map<Watcher, Uint8Array[]>> {
    const { data, behind } = this;
    const { values, limits } = data;
    const batches = new Map<Watcher, Uint8Array[]>();
    for (const watcher of this.turns)
      if (watcher.next >= from && watcher.next <= slice.through) batches.set(watcher, []);
    let work = 0;
    let diskReads = values.diskReads;
    for (const event of slice.events) {
      const watchers = behind.watching(event.key);
      for (const watcher of watchers) this.gather(watcher, event, batches.get(watcher));
      work += 1 + watchers.length;
      if (work < limits.entriesPerSlice && values.diskReads - diskReads < limits.diskReadsPerSlice) continue;
      await pause(this.clock);
      work = 0;
      diskReads = values.diskReads;
    }
    return batches;
  }

  /** @param batch absent: the watcher came when the slice had been read */
  private gather(watcher: Watcher, event: WatchEvent, batch: Uint8Array[] | undefined): void {
    if (batch === undefined || event.revision < watcher.next || !event.isWantedBy(watcher.options)) return;
    if (!this.turns.has(watcher)) return; // ended meanwhile
    try {
      batch.push(event.encodedFor(watcher.options, this.data, this.present.compactRevision));
    } catch (error) {
      this.fail(watcher, error); // it alone: others may not ask what the key was before
    }
  }

  private async tell(through: Revision, batches: ReadonlyMap<Watcher, readonly Uint8Array[]>): Promise<void> {
    let told = 0;
    for (const [watcher, events] of batches) {
      if (!this.turns.has(watcher)) continue; // closed meanwhile
      if (events.length > 0) {
        if (told === this.data.limits.watchBatchesPerSlice) {
          await pause(this.clock);
          told = 0;
          if (!this.turns.has(watcher)) continue;
        }
        told += 1;
        const taken = watcher.receiver.changed({ revision: this.present.revision, events });
        if (!this.turns.has(watcher)) continue; // closed while it was told
        if (!taken) {
          this.delete(watcher);
          this.listener.refused(watcher);
          continue;
        }
      }
      this.moveOn(watcher, through);
    }
  }

  private moveOn(watcher: Watcher, through: Revision): void {
    watcher.next = (through + 1) as Revision;
    this.turns.delete(watcher);
    if (through < this.present.revision) {
      this.turns.add(watcher); // its next turn comes after everybody else's
      return;
    }
    this.behind.delete(watcher);
    this.listener.caughtUp(watcher);
  }

  private fail(watcher: Watcher, error: unknown): void {
    if (!this.turns.has(watcher)) return;
    this.end(watcher);
    watcher.receiver.failed(error);
  }

  private end(watcher: Watcher): void {
    this.delete(watcher);
    this.listener.ended(watcher);
  }
}

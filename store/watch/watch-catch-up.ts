import type { Revision, StoreLimits, StoreStats, Turns } from "../base/index.js";
import type { StoreData } from "../mvcc/index.js";
import type { WatchEvent } from "./watch-event.js";
import type { HistorySlice, WatchHistory } from "./watch-history.js";
import type { Watcher, WatchReceiver } from "./watch.js";
import { InterestGroup, type Interest } from "./watch-interest.js";

/** The part of a store's contents that `CatchUp` reads. */
export interface ReadContents {
  readonly data: StoreData;
  readonly history: Pick<WatchHistory, "read">;
  readonly revision: Revision;
  readonly compactRevision: Revision;
  /** Runs `read` while the backend stays open. */
  readWhileOpen<T>(read: () => Promise<T>): Promise<T>;
}

/** Returns the present contents of the store; an installed snapshot replaces them. */
export type ContentsSource = () => ReadContents;

/** The watchers that get changes when they are applied; `Watches` implements it. */
export interface LiveWatchers {
  /** Adds a watcher that has caught up. */
  goLive(watcher: Watcher): void;
}

/** The events of a slice, by interest: all its watchers get the same events. */
type Batches = ReadonlyMap<Interest, readonly Uint8Array[]>;

/**
 * Sends history to watchers that are behind, one slice at a time, between requests. Watchers take turns, so one that is far behind does
 * not delay the others. A slice serves all watchers whose next revision is in it.
 */
export class CatchUp {
  /** The watchers that are behind; the first one is served next. */
  private readonly queue = new Set<Watcher>();
  private isRunning = false;
  private isStopped = false;
  private last: Promise<void> = Promise.resolve();

  constructor(
    private readonly present: ContentsSource,
    private readonly turns: Turns,
    private readonly limits: StoreLimits,
    private readonly stats: StoreStats,
    private readonly live: LiveWatchers,
  ) {}

  /** Adds a watcher that is behind. */
  add(watcher: Watcher): void {
    if (this.isStopped) return;
    this.queue.add(watcher);
    if (this.isRunning) return;
    this.isRunning = true;
    this.last = this.run();
  }

  /** Removes a watcher. */
  delete(watcher: Watcher): void {
    this.queue.delete(watcher);
  }

  /** Stops: no watcher gets events after this. */
  stop(): void {
    this.isStopped = true;
    this.queue.clear();
  }

  /** Resolves once the last read has ended. */
  whenEnded(): Promise<void> {
    return this.last;
  }

  private async run(): Promise<void> {
    for (;;) {
      await this.turns.pause(); // also lets the owner of a new watch announce it before its first events
      this.endCompacted();
      const [first] = this.queue;
      if (first === undefined) break;
      await this.serve(first);
    }
    this.isRunning = false;
  }

  private endCompacted(): void {
    const { compactRevision } = this.present();
    for (const watcher of [...this.queue]) {
      if (watcher.next >= compactRevision) continue;
      this.endWatcher(watcher);
      watcher.receiver.onCompacted(watcher.tag, compactRevision);
    }
  }

  private async serve(first: Watcher): Promise<void> {
    try {
      const { through, batches } = await this.read(first.next);
      await this.sendBatches(through, batches);
    } catch (error) {
      this.fail(first, error); // other watchers that need the same revisions fail in their own turns
    }
  }

  /** Reads one slice, all of it from the present contents. If they are replaced meanwhile, the slice is still correct. */
  private read(from: Revision): Promise<{ readonly through: Revision; readonly batches: Batches }> {
    const contents = this.present();
    return contents.readWhileOpen(async () => {
      const slice = await contents.history.read(from, contents.revision);
      return { through: slice.through, batches: await this.sort(contents, from, slice) };
    });
  }

  /**
   * Sorts the events of a slice by interest: watchers with the same options and the same next revision share a batch. A batch without
   * events is needed, too: its watchers continue after the slice.
   */
  private async sort(contents: ReadContents, from: Revision, slice: HistorySlice): Promise<Batches> {
    const { limits, turns } = this;
    const { values } = contents.data;
    const group = new InterestGroup();
    const batches = new Map<Interest, Uint8Array[]>();
    let work = 0;
    for (const watcher of this.queue) {
      if (watcher.next < from || watcher.next > slice.through) continue;
      const interest = group.add(watcher, `${watcher.next}/${watcher.interest}`);
      interest.firstRevision = watcher.next;
      if (!batches.has(interest)) batches.set(interest, []);
      if (++work % limits.watchersPerSlice === 0) await this.turns.pause();
    }
    let { diskReads } = values;
    for (const event of slice.events) {
      const interests = group.findByKey(event.key);
      for (const interest of interests) this.gather(contents, interest, event, batches);
      const isOver = turns.spend(1 + interests.length, values.diskReads - diskReads);
      diskReads = values.diskReads;
      if (isOver) await turns.pause();
    }
    return batches;
  }

  private gather(
    contents: ReadContents,
    interest: Interest,
    event: WatchEvent,
    batches: Map<Interest, Uint8Array[]>,
  ): void {
    const batch = batches.get(interest);
    if (batch === undefined || event.revision < interest.firstRevision || !event.isWantedBy(interest.options)) return;
    try {
      batch.push(event.encodeFor(interest.options, contents.data, contents.compactRevision));
    } catch (error) {
      batches.delete(interest); // only this one: other interests may not need the previous KeyValue
      for (const watcher of interest.listWatchers()) this.fail(watcher, error);
    }
  }

  private async sendBatches(through: Revision, batches: Batches): Promise<void> {
    let sent = 0;
    for (const [interest, events] of batches)
      for (const { receiver, watchers } of interest.groups.values()) {
        if (events.length > this.limits.changesSentAtOnce) await this.prepare(receiver, events);
        for (let from = 0, to = 0; from < watchers.length; from = to) {
          if (events.length > 0 && sent >= this.limits.watchBatchesPerSlice) {
            await this.turns.pause();
            sent = 0;
          }
          to = events.length > 0 ? from + this.limits.watchBatchesPerSlice - sent : watchers.length;
          const left = watchers.slice(from, to).filter((watcher) => this.queue.has(watcher)); // some may have been closed meanwhile
          if (events.length > 0) sent += left.length;
          this.sendSome(receiver, left, events, through);
        }
      }
  }

  private async prepare(receiver: WatchReceiver, events: readonly Uint8Array[]): Promise<void> {
    const { turns } = this;
    const work = receiver.prepare?.(events, (looked) => turns.spend(looked));
    if (work !== undefined) await turns.run(work);
  }

  private sendSome(
    receiver: WatchReceiver,
    watchers: readonly Watcher[],
    events: readonly Uint8Array[],
    through: Revision,
  ): void {
    let sent = watchers.length;
    if (events.length > 0) {
      const batch = { revision: this.present().revision, events };
      sent = receiver.onChanged(
        watchers.map(({ tag }) => tag),
        0,
        watchers.length,
        batch,
      );
      this.stats.events += sent * events.length;
    }
    for (const [position, watcher] of watchers.entries()) {
      if (!this.queue.has(watcher)) continue; // closed during `onChanged`
      if (position < sent) this.moveOn(watcher, through);
      else {
        this.delete(watcher);
        watcher.state = "waiting";
      }
    }
  }

  private moveOn(watcher: Watcher, through: Revision): void {
    watcher.next = (through + 1) as Revision;
    this.queue.delete(watcher);
    if (through < this.present().revision) {
      this.queue.add(watcher); // at the end: all others are served before
      return;
    }
    this.live.goLive(watcher);
  }

  private fail(watcher: Watcher, error: unknown): void {
    if (!this.queue.has(watcher)) return;
    this.endWatcher(watcher);
    watcher.receiver.onFailed(watcher.tag, error);
  }

  private endWatcher(watcher: Watcher): void {
    this.delete(watcher);
    watcher.state = "ended";
    this.stats.watchers--;
  }
}

import type { Backend } from "./backend.js";
import type { StoreClock } from "./clock.js";
import { StoreError } from "./errors.js";
import { nextRevision, type Revision } from "./revision.js";
import type { StoreData } from "./store-data.js";
import type { Change } from "./unflushed.js";
import { CatchUp, type Present } from "./watch-catch-up.js";
import { WatchEvent } from "./watch-event.js";
import { WatchHistory } from "./watch-history.js";
import { Watcher, type Watch, type WatchBatch, type WatchOptions, type WatchReceiver } from "./watch.js";
import { WatcherGroup } from "./watcher-group.js";

const isLive = ({ state }: Watcher): boolean => state === "live";

/**
 * All watches of a store. A watcher is live, and told at apply; or behind, and told from history until it has caught
 * up; or its receiver has no room, and then nothing is kept for it but the revision to go on from.
 */
export class Watches {
  private readonly live = new WatcherGroup();
  private readonly catchUp: CatchUp;

  constructor(
    private readonly data: StoreData,
    backend: Backend,
    clock: StoreClock,
    private readonly present: Present,
  ) {
    this.catchUp = new CatchUp(data, new WatchHistory(data, backend), clock, present, {
      caughtUp: (watcher) => this.goLive(watcher),
      refused: (watcher) => void (watcher.state = "waiting"),
      ended: (watcher) => void (watcher.state = "ended"),
    });
  }

  add(options: WatchOptions, receiver: WatchReceiver): Watch {
    const first = options.startRevision === 0 ? nextRevision(this.present.revision) : options.startRevision;
    const watcher = new Watcher(options, receiver, first as Revision);
    this.start(watcher);
    return this.handleOf(watcher);
  }

  /** Tells of a revision that has just come to be: `changes` are all of it, in order. */
  changed(revision: Revision, changes: readonly Change[]): void {
    if (this.live.size === 0) return;
    const batches = new Map<Watcher, Uint8Array[]>();
    for (const { entry, state, keyValue } of changes) {
      const watchers = this.live.watching(entry.key);
      if (watchers.length === 0) continue;
      const event = new WatchEvent(entry.key, state, keyValue);
      for (const watcher of watchers) this.gather(watcher, event, batches);
    }
    let told = 0;
    for (const [watcher, events] of batches) {
      if (told++ < this.data.limits.watchBatchesPerSlice) this.tell(watcher, { revision, events });
      else this.leaveBehind(watcher, revision);
    }
  }

  /** Nothing is told any more. Resolves once nothing is read any more either. */
  close(): Promise<void> {
    this.catchUp.stop();
    return this.catchUp.ended();
  }

  private gather(watcher: Watcher, event: WatchEvent, batches: Map<Watcher, Uint8Array[]>): void {
    if (event.revision < watcher.next || !event.isWantedBy(watcher.options)) return;
    try {
      const encoded = event.encodedFor(watcher.options, this.data, this.present.compactRevision);
      const events = batches.get(watcher);
      if (events === undefined) batches.set(watcher, [encoded]);
      else events.push(encoded);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.end(watcher); // the write is right all the same
      watcher.receiver.failed(error);
    }
  }

  private tell(watcher: Watcher, batch: WatchBatch): void {
    if (!isLive(watcher)) return; // ended while others were told
    const taken = watcher.receiver.changed(batch);
    if (taken || !isLive(watcher)) return;
    this.live.delete(watcher);
    watcher.state = "waiting";
    watcher.next = batch.revision;
  }

  /** So many are told of one write that the rest had better be told between requests. */
  private leaveBehind(watcher: Watcher, revision: Revision): void {
    if (!isLive(watcher)) return;
    this.live.delete(watcher);
    watcher.next = revision;
    this.start(watcher);
  }

  private handleOf(watcher: Watcher): Watch {
    return {
      toldThrough: () => {
        const { revision } = this.present;
        return isLive(watcher) && watcher.options.startRevision <= revision ? revision : undefined;
      },
      resume: () => {
        if (watcher.state === "waiting") this.start(watcher);
      },
      close: () => this.end(watcher),
    };
  }

  private start(watcher: Watcher): void {
    if (watcher.next > this.present.revision) {
      this.goLive(watcher);
      return;
    }
    watcher.state = "behind";
    this.catchUp.add(watcher);
  }

  private goLive(watcher: Watcher): void {
    watcher.state = "live";
    this.live.add(watcher);
  }

  private end(watcher: Watcher): void {
    if (isLive(watcher)) this.live.delete(watcher);
    else if (watcher.state === "behind") this.catchUp.delete(watcher);
    watcher.state = "ended";
  }
}

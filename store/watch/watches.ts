import { nextRevision, type Revision, StoreError, type StoreLimits, type Turns } from "../base/index.js";
import { CatchUp, type LiveWatchers, type Present } from "./watch-catch-up.js";
import { WatchEvent } from "./watch-event.js";
import { Watcher, type Watch, type WatchBatch, type WatchOptions, type WatchReceiver } from "./watch.js";
import { InterestGroup, type Interest } from "./watch-interest.js";
import type { Write } from "../mvcc/index.js";

const isLive = ({ state }: Watcher): boolean => state === "live";

/**
 * All watches of a store. A watcher is live, and told at apply; or behind, and told from history until it has caught
 * up; or its receiver has no room, and then nothing is kept for it but the revision to go on from.
 */
export class Watches implements LiveWatchers {
  private live = new InterestGroup();
  /** Number of watchers that were told of something since the last round ended. */
  private told = 0;
  private readonly catchUp: CatchUp;

  constructor(
    private readonly present: Present,
    turns: Turns,
    private readonly limits: StoreLimits,
  ) {
    this.catchUp = new CatchUp(present, turns, limits, this);
  }

  add(options: WatchOptions, receiver: WatchReceiver): Watch {
    const first = options.startRevision === 0 ? nextRevision(this.present().revision) : options.startRevision;
    const watcher = new Watcher(options, receiver, first as Revision);
    this.start(watcher);
    return this.handleOf(watcher);
  }

  /** Tells of a revision that has just come to be. */
  changed({ revision, changes, replaced }: Write): void {
    if (this.live.isEmpty) return;
    if (changes.length > this.limits.changesToldAtOnce) {
      this.leaveAllBehind(revision);
      return;
    }
    const batches = new Map<Interest, Uint8Array[]>();
    for (const [position, { entry, state, keyValue }] of changes.entries()) {
      const interests = this.live.in(entry.key);
      if (interests.length === 0) continue;
      const event = new WatchEvent(entry.key, state, keyValue, replaced[position]);
      for (const interest of interests) this.gather(interest, event, batches);
    }
    for (const [interest, events] of batches) {
      const batch = { revision, events };
      for (const watcher of [...interest.watchers]) {
        if (revision < watcher.next) continue; // it begins later
        if (this.told++ < this.limits.watchBatchesPerSlice) this.tell(watcher, batch);
        else this.leaveBehind(watcher, revision);
      }
    }
  }

  /** Tells a watcher of changes at apply from now on. */
  goLive(watcher: Watcher): void {
    watcher.state = "live";
    this.live.add(watcher, watcher.interest);
  }

  /** Ends a round of writes; other work runs before the next one. */
  roundEnded(): void {
    this.told = 0;
  }

  /** The store holds something later now. What happened in between comes from history, also for those that were live. */
  jumped(from: Revision): void {
    if (this.present().revision !== from) this.leaveAllBehind(from + 1);
  }

  /** Ends all watches. Resolves once nothing is read any more either. */
  close(): Promise<void> {
    this.catchUp.stop();
    return this.catchUp.ended();
  }

  /** Makes all live watchers read history from `first` on. This costs something for each of them, nothing for each change. */
  private leaveAllBehind(first: number): void {
    const wereLive = this.live;
    this.live = new InterestGroup();
    for (const watcher of wereLive.all()) {
      watcher.next = Math.max(watcher.next, first) as Revision;
      this.start(watcher);
    }
  }

  private gather(interest: Interest, event: WatchEvent, batches: Map<Interest, Uint8Array[]>): void {
    if (!event.isWantedBy(interest.options)) return;
    try {
      const { data, compactRevision } = this.present();
      const encoded = event.encodedFor(interest.options, data, compactRevision);
      const events = batches.get(interest);
      if (events === undefined) batches.set(interest, [encoded]);
      else events.push(encoded);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.fail(interest, event.revision, error); // the write is right all the same
    }
  }

  /** Ends watchers that need the key before a change, which cannot be read. One that begins later does not need it. */
  private fail({ watchers }: Interest, revision: Revision, error: StoreError): void {
    for (const watcher of [...watchers]) {
      if (revision < watcher.next) continue;
      this.end(watcher);
      watcher.receiver.failed(error);
    }
  }

  private tell(watcher: Watcher, batch: WatchBatch): void {
    if (!isLive(watcher)) return; // ended while others were told
    const taken = watcher.receiver.changed(batch);
    if (taken || !isLive(watcher)) return;
    this.live.delete(watcher, watcher.interest);
    watcher.state = "waiting";
    watcher.next = batch.revision;
  }

  /** Makes a live watcher read the rest from history, between requests: one round of writes has told too much. */
  private leaveBehind(watcher: Watcher, revision: Revision): void {
    if (!isLive(watcher)) return;
    this.live.delete(watcher, watcher.interest);
    watcher.next = revision;
    this.start(watcher);
  }

  private handleOf(watcher: Watcher): Watch {
    return {
      toldThrough: () => {
        const { revision } = this.present();
        return isLive(watcher) && watcher.options.startRevision <= revision ? revision : undefined;
      },
      resume: () => {
        if (watcher.state === "waiting") this.start(watcher);
      },
      close: () => this.end(watcher),
    };
  }

  private start(watcher: Watcher): void {
    if (watcher.next > this.present().revision) {
      this.goLive(watcher);
      return;
    }
    watcher.state = "behind";
    this.catchUp.add(watcher);
  }

  private end(watcher: Watcher): void {
    if (isLive(watcher)) this.live.delete(watcher, watcher.interest);
    else if (watcher.state === "behind") this.catchUp.delete(watcher);
    watcher.state = "ended";
  }
}

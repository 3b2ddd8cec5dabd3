import {
  emptyList,
  nextRevision,
  type Revision,
  StoreError,
  type StoreLimits,
  type StoreStats,
  type Turns,
} from "../base/index.js";
import { CatchUp, type LiveWatchers, type ContentsSource } from "./watch-catch-up.js";
import { eventOfChange, type WatchEvent } from "./watch-event.js";
import { Watcher, type Watch, type WatchBatch, type WatchOptions, type WatchReceiver } from "./watch.js";
import { InterestGroup, type Interest, type WatcherGroup } from "./watch-interest.js";
import type { Write } from "../mvcc/index.js";

const isLive = ({ state }: Watcher): boolean => state === "live";

/**
 * All watches of a store. A live watcher gets changes when a round of writes has been applied. A watcher behind gets them from history
 * until it has caught up. A waiting watcher, whose receiver has no room, keeps only its next revision.
 */
export class Watches implements LiveWatchers {
  private live = new InterestGroup();
  /** The interests with events that are not sent yet, the bytes of these events, and their last revision. */
  private pending = emptyList<Interest>();
  private pendingBytes = 0;
  private revision = 0 as Revision;
  /** The number of watchers that got events since the last round ended. */
  private sentSinceRound = 0;
  private readonly catchUp: CatchUp;

  constructor(
    private readonly present: ContentsSource,
    turns: Turns,
    private readonly limits: StoreLimits,
    private readonly stats: StoreStats,
  ) {
    this.catchUp = new CatchUp(present, turns, limits, stats, this);
  }

  /** Starts a watch. */
  add<Tag>(options: WatchOptions, receiver: WatchReceiver<Tag>, tag: Tag): Watch {
    const first = options.startRevision === 0 ? nextRevision(this.present().revision) : options.startRevision;
    const watcher = new Watcher(options, receiver, tag, first as Revision);
    this.stats.watchers++;
    this.start(watcher);
    return this.handleOf(watcher);
  }

  /** Notes the events of a new revision, which `sendPending` sends. */
  onChanged(write: Write): void {
    const { revision, changes } = write;
    if (this.live.isEmpty || changes === undefined) return;
    if (changes.length > this.limits.changesSentAtOnce) {
      this.sendPending();
      this.markAllBehind(revision);
      return;
    }
    this.revision = revision;
    for (let sub = 0; sub < changes.length; sub++) {
      const interests = this.live.findByKey(changes.entryOf(sub).key);
      if (interests.length === 0) continue;
      const event = eventOfChange(changes, sub, write.replacedValueOf(sub));
      for (const interest of interests) this.gather(interest, event);
    }
    if (this.pendingBytes >= this.limits.bytesPerWatchBatch) this.sendPending();
  }

  /** Sends the noted events to the live watchers: one batch to each, of one or several whole revisions. */
  sendPending(): void {
    const { pending, revision } = this;
    if (pending.length === 0) return;
    this.pending = emptyList();
    this.pendingBytes = 0;
    for (const interest of pending) {
      const batch = { revision, events: interest.events };
      interest.events = emptyList();
      for (const group of interest.groups.values()) this.sendToGroup(group, batch, interest.firstRevision);
    }
  }

  /** Makes a watcher live. */
  goLive(watcher: Watcher): void {
    this.sendPending(); // events that this watcher has got from history, or that are before its start
    watcher.state = "live";
    this.stats.liveWatchers++;
    this.live.add(watcher, watcher.interest);
  }

  /** Sends the events of a round of writes that has ended; other work runs before the next one. */
  endRound(): void {
    this.sendPending();
    this.sentSinceRound = 0;
  }

  /** Handles an installed snapshot: all watchers, also live ones, get the changes after revision `from` from its history. */
  onAdvanced(from: Revision): void {
    this.sendPending();
    if (this.present().revision !== from) this.markAllBehind(from + 1);
  }

  /** Ends all watches. Resolves once the last read of history has ended. */
  close(): Promise<void> {
    this.pending = emptyList();
    this.catchUp.stop();
    return this.catchUp.whenEnded();
  }

  /** Makes all live watchers read history from `first` on. The cost grows with the watchers, not with the changes. */
  private markAllBehind(first: number): void {
    const wereLive = this.live;
    this.live = new InterestGroup();
    this.stats.liveWatchers = 0;
    for (const watcher of wereLive.listWatchers()) {
      watcher.next = Math.max(watcher.next, first) as Revision;
      this.start(watcher);
    }
  }

  private gather(interest: Interest, event: WatchEvent): void {
    if (!event.isWantedBy(interest.options)) return;
    try {
      const { data, compactRevision } = this.present();
      const encoded = event.encodeFor(interest.options, data, compactRevision);
      if (interest.events.length === 0) {
        interest.firstRevision = event.revision;
        this.pending.push(interest);
      }
      interest.events.push(encoded);
      this.pendingBytes += encoded.length;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.sendPending();
      this.fail(interest, event.revision, error); // the write itself has succeeded
    }
  }

  /** Ends the watchers that need a previous KeyValue which cannot be read; not those that begin after its revision. */
  private fail(interest: Interest, revision: Revision, error: StoreError): void {
    for (const watcher of interest.listWatchers()) {
      if (revision < watcher.next) continue;
      this.endWatcher(watcher);
      watcher.receiver.onFailed(watcher.tag, error);
    }
  }

  private sendToGroup({ watchers, tags, receiver }: WatcherGroup, batch: WatchBatch, firstRevision: Revision): void {
    if (watchers.every(({ next }) => next <= firstRevision)) {
      this.sendToAll(watchers, tags, receiver, batch, firstRevision);
      return;
    }
    const begun = watchers.filter(({ next }) => next <= firstRevision);
    const beginning = watchers.filter(({ next }) => next > firstRevision && next <= batch.revision);
    this.sendToAll(
      begun,
      begun.map(({ tag }) => tag),
      receiver,
      batch,
      firstRevision,
    );
    for (const watcher of beginning) this.markBehind(watcher, watcher.next);
  }

  /** Sends a batch to as many of the watchers as a turn allows and their receiver has room for. All of them have begun. */
  private sendToAll(
    watchers: readonly Watcher[],
    tags: readonly unknown[],
    receiver: WatchReceiver,
    batch: WatchBatch,
    firstRevision: Revision,
  ): void {
    const count = Math.min(watchers.length, this.limits.watchBatchesPerSlice - this.sentSinceRound);
    this.sentSinceRound += count;
    const accepted = count > 0 ? receiver.onChanged(tags, 0, count, batch) : 0;
    this.stats.events += accepted * batch.events.length;
    if (accepted === watchers.length) return;
    for (const [position, watcher] of watchers.slice(accepted).entries())
      if (accepted + position < count) this.setAside(watcher, firstRevision);
      else this.markBehind(watcher, firstRevision); // the turn's bound is reached
  }

  /** Makes a live watcher wait until its receiver has room. */
  private setAside(watcher: Watcher, next: Revision): void {
    if (!isLive(watcher)) return; // closed during `onChanged`
    this.removeLive(watcher);
    watcher.state = "waiting";
    watcher.next = next;
  }

  /** Makes a live watcher read history from `next` on, between requests. */
  private markBehind(watcher: Watcher, next: Revision): void {
    if (!isLive(watcher)) return;
    this.removeLive(watcher);
    watcher.next = next;
    this.start(watcher);
  }

  private handleOf(watcher: Watcher): Watch {
    return {
      sendPending: () => {
        this.sendPending();
        const { revision } = this.present();
        return isLive(watcher) && watcher.options.startRevision <= revision ? revision : undefined;
      },
      resume: () => {
        if (watcher.state === "waiting") this.start(watcher);
      },
      close: () => this.endWatcher(watcher),
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

  private endWatcher(watcher: Watcher): void {
    if (watcher.state === "ended") return;
    if (isLive(watcher)) this.removeLive(watcher);
    else if (watcher.state === "behind") this.catchUp.delete(watcher);
    watcher.state = "ended";
    this.stats.watchers--;
  }

  private removeLive(watcher: Watcher): void {
    this.live.delete(watcher, watcher.interest);
    this.stats.liveWatchers--;
  }
}

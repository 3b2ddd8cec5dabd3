import { IntervalMap } from "./interval-map.js";
import { emptyList, type Interval, type Key, type Revision } from "../base/index.js";
import type { Watcher, WatchOptions, WatchReceiver } from "./watch.js";

/** Watchers of one interest and one receiver, which gets the events for all of them in one call. */
export class WatcherGroup {
  readonly watchers = emptyList<Watcher>();
  /** The watchers' tags, in the same order. */
  readonly tags: unknown[] = [];

  constructor(readonly receiver: WatchReceiver) {}

  /** Adds a watcher. */
  add(watcher: Watcher): void {
    watcher.position = this.watchers.length;
    this.watchers.push(watcher);
    this.tags.push(watcher.tag);
  }

  /** Removes a watcher; the last one takes its position. */
  delete(watcher: Watcher): void {
    const { position } = watcher;
    const last = this.watchers.pop();
    const lastTag = this.tags.pop();
    if (last === undefined || last === watcher) return;
    this.watchers[position] = last;
    this.tags[position] = lastTag;
    last.position = position;
  }
}

/**
 * Watchers with the same interval and options. The events are collected once, and all watchers get the same list. Example: a
 * thousand watchers of one prefix are one interest.
 */
export class Interest {
  readonly groups = new Map<WatchReceiver, WatcherGroup>();
  /** The events that live watchers have not got yet, from `firstRevision` on. */
  events = emptyList<Uint8Array>();
  firstRevision = 0 as Revision;
  readonly interval: Interval;
  readonly options: WatchOptions;
  readonly isForOneKey: boolean;

  constructor(
    readonly name: string,
    { interval, options, isForOneKey }: Watcher,
  ) {
    this.interval = interval;
    this.options = options;
    this.isForOneKey = isForOneKey;
  }

  /** Returns a new list of all watchers. */
  listWatchers(): readonly Watcher[] {
    return [...this.groups.values()].flatMap(({ watchers }) => watchers);
  }

  /** Adds a watcher. */
  add(watcher: Watcher): void {
    let group = this.groups.get(watcher.receiver);
    if (group === undefined) this.groups.set(watcher.receiver, (group = new WatcherGroup(watcher.receiver)));
    group.add(watcher);
  }

  /** Removes a watcher, which must be in the interest. */
  delete(watcher: Watcher): void {
    const group = this.groups.get(watcher.receiver);
    group?.delete(watcher);
    if (group?.watchers.length === 0) this.groups.delete(watcher.receiver);
  }
}

/** Finds the interests that contain a key. */
export class InterestGroup {
  private readonly byName = new Map<string, Interest>();
  /** The interests in a single key, the most frequent kind, which need no search. */
  private readonly byKey = new Map<Key, Set<Interest>>();
  private readonly byInterval = new IntervalMap<Interest>();

  /** Tells whether there are no watchers. */
  get isEmpty(): boolean {
    return this.byName.size === 0;
  }

  /** Adds a watcher. @param name the name of the interest: `watcher.interest`, perhaps with more that tells interests apart */
  add(watcher: Watcher, name: string): Interest {
    let interest = this.byName.get(name);
    if (interest === undefined) {
      interest = new Interest(name, watcher);
      this.byName.set(name, interest);
      this.addToIndex(interest);
    }
    interest.add(watcher);
    return interest;
  }

  /** Removes a watcher, which must have been added under `name`. */
  delete(watcher: Watcher, name: string): void {
    const interest = this.byName.get(name);
    interest?.delete(watcher);
    if (interest === undefined || interest.groups.size > 0) return;
    this.byName.delete(name);
    this.removeFromIndex(interest);
  }

  /** Returns a new list of all watchers in the group. */
  listWatchers(): readonly Watcher[] {
    return [...this.byName.values()].flatMap((interest) => interest.listWatchers());
  }

  /** Returns a new list of the interests that contain `key`: the group may change while the caller visits them. */
  findByKey(key: Key): readonly Interest[] {
    const found = [...(this.byKey.get(key) ?? [])];
    this.byInterval.find(key, found);
    return found;
  }

  private addToIndex(interest: Interest): void {
    const { interval } = interest;
    if (!interest.isForOneKey) {
      this.byInterval.add(interval, interest);
      return;
    }
    const same = this.byKey.get(interval.from);
    if (same === undefined) this.byKey.set(interval.from, new Set([interest]));
    else same.add(interest);
  }

  private removeFromIndex(interest: Interest): void {
    const { interval } = interest;
    if (!interest.isForOneKey) {
      this.byInterval.delete(interval, interest);
      return;
    }
    const same = this.byKey.get(interval.from);
    same?.delete(interest);
    if (same?.size === 0) this.byKey.delete(interval.from);
  }
}

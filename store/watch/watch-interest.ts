import { IntervalMap } from "./interval-map.js";
import { emptyList, type Interval, type Key, type Revision } from "../base/index.js";
import type { Watcher, WatchOptions, WatchReceiver } from "./watch.js";

/** Watchers with the same events and the same receiver, which gets the events of all of them in one call. */
export class WatcherGroup {
  readonly watchers = emptyList<Watcher>();
  /** The watchers' tags, in the same order. */
  readonly tags: unknown[] = [];

  constructor(readonly receiver: WatchReceiver) {}

  add(watcher: Watcher): void {
    watcher.position = this.watchers.length;
    this.watchers.push(watcher);
    this.tags.push(watcher.tag);
  }

  /** Removes a watcher; the last one takes its place. */
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
 * Watchers that want the same: what they are told is put together once, and all of them are given the same list. A
 * thousand watchers of one prefix are one interest.
 */
export class Interest {
  readonly groups = new Map<WatchReceiver, WatcherGroup>();
  /** Events that live watchers have not been told of, from `firstRevision` on. */
  events = emptyList<Uint8Array>();
  firstRevision = 0 as Revision;
  readonly interval: Interval;
  readonly options: WatchOptions;
  readonly watchesOneKey: boolean;

  constructor(
    readonly name: string,
    { interval, options, watchesOneKey }: Watcher,
  ) {
    this.interval = interval;
    this.options = options;
    this.watchesOneKey = watchesOneKey;
  }

  /** All watchers, in a list of its own. */
  listWatchers(): readonly Watcher[] {
    return [...this.groups.values()].flatMap(({ watchers }) => watchers);
  }

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

/** Interests and who has them, to be found by a key. */
export class InterestGroup {
  private readonly byName = new Map<string, Interest>();
  /** Most watch one key: these are found in one step. */
  private readonly byKey = new Map<Key, Set<Interest>>();
  private readonly byInterval = new IntervalMap<Interest>();

  get isEmpty(): boolean {
    return this.byName.size === 0;
  }

  /** @param name watchers with the same one are told the same; it says at least `watcher.interest` */
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

  /** Removes a watcher, which must be in the group under that name. */
  delete(watcher: Watcher, name: string): void {
    const interest = this.byName.get(name);
    interest?.delete(watcher);
    if (interest === undefined || interest.groups.size > 0) return;
    this.byName.delete(name);
    this.removeFromIndex(interest);
  }

  /** All watchers in the group, in a list of its own. */
  listWatchers(): readonly Watcher[] {
    return [...this.byName.values()].flatMap((interest) => interest.listWatchers());
  }

  /** All that hold `key`: a list of its own, so that the group may change while it is gone through. */
  findByKey(key: Key): readonly Interest[] {
    const found = [...(this.byKey.get(key) ?? [])];
    this.byInterval.find(key, found);
    return found;
  }

  private addToIndex(interest: Interest): void {
    const { interval } = interest;
    if (!interest.watchesOneKey) {
      this.byInterval.add(interval, interest);
      return;
    }
    const same = this.byKey.get(interval.from);
    if (same === undefined) this.byKey.set(interval.from, new Set([interest]));
    else same.add(interest);
  }

  private removeFromIndex(interest: Interest): void {
    const { interval } = interest;
    if (!interest.watchesOneKey) {
      this.byInterval.delete(interval, interest);
      return;
    }
    const same = this.byKey.get(interval.from);
    same?.delete(interest);
    if (same?.size === 0) this.byKey.delete(interval.from);
  }
}

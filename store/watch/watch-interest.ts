import { IntervalMap } from "./interval-map.js";
import type { Interval, Key } from "../base/index.js";
import type { Watcher, WatchOptions } from "./watch.js";

/**
 * Watchers that want the same: what they are told is put together once, and all of them are given the same list. A
 * thousand watchers of one prefix are one interest.
 */
export class Interest {
  readonly watchers = new Set<Watcher>();
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
    interest.watchers.add(watcher);
    return interest;
  }

  /** Removes a watcher, which must be in the group under that name. */
  delete(watcher: Watcher, name: string): void {
    const interest = this.byName.get(name);
    if (interest === undefined || !interest.watchers.delete(watcher) || interest.watchers.size > 0) return;
    this.byName.delete(name);
    this.removeFromIndex(interest);
  }

  /** All watchers in the group, which must not change meanwhile. */
  *all(): Iterable<Watcher> {
    for (const { watchers } of this.byName.values()) yield* watchers;
  }

  /** All that hold `key`: a list of its own, so that the group may change while it is gone through. */
  in(key: Key): readonly Interest[] {
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

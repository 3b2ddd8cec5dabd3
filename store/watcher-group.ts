import { IntervalMap } from "./interval-map.js";
import type { Key } from "./interval.js";
import type { Watcher } from "./watch.js";

/** Watchers, to be found by a key that they watch. */
export class WatcherGroup {
  /** Most watch one key: these are found in one step. */
  private readonly byKey = new Map<Key, Set<Watcher>>();
  private readonly byInterval = new IntervalMap<Watcher>();
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** It must not be in the group yet. */
  add(watcher: Watcher): void {
    this.count += 1;
    if (!watcher.watchesOneKey) {
      this.byInterval.add(watcher.interval, watcher);
      return;
    }
    const watchers = this.byKey.get(watcher.interval.from);
    if (watchers === undefined) this.byKey.set(watcher.interval.from, new Set([watcher]));
    else watchers.add(watcher);
  }

  /** It must be in the group. */
  delete(watcher: Watcher): void {
    this.count -= 1;
    const { interval } = watcher;
    if (!watcher.watchesOneKey) {
      this.byInterval.delete(interval, watcher);
      return;
    }
    const watchers = this.byKey.get(interval.from);
    watchers?.delete(watcher);
    if (watchers?.size === 0) this.byKey.delete(interval.from);
  }

  /** All that watch `key`: a list of its own, so that the group may change while it is gone through. */
  watching(key: Key): readonly Watcher[] {
    const found = [...(this.byKey.get(key) ?? [])];
    this.byInterval.find(key, found);
    return found;
  }
}

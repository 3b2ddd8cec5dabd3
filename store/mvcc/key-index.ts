import type { BlockChange } from "../disk/index.js";
import {
  type Interval,
  type Key,
  keyAfter,
  keyFromBytes,
  type Revision,
  type Sliced,
  type ShouldYield,
} from "../base/index.js";
import { EntryBlocks } from "./entry-blocks.js";
import { isTombstone, type KeyState } from "./key-value.js";
import { RecentEntries } from "./recent-entries.js";
import type { ValueChunk } from "./value-chunk.js";

/** A key with all its changes that reads can see, at any revision that is not compacted. */
export class KeyEntry {
  /**
   * The changes before `newest`, oldest first, and `newest` itself if it is a delete. Two numbers for each change: its revision, then
   * the place in the revision (`sub`), for a delete as `~sub`. A million keys have millions of changes, and numbers in one array take
   * less memory than objects.
   */
  history: number[] | undefined = undefined;
  // The place of the encoded KeyValue of `newest` in the memory of the cache; `chunk` undefined: it is not in the cache. `view` is
  // created when the value is read first: it takes more memory than most values, and lives long, so the garbage collector copies it twice.
  chunk: ValueChunk<KeyEntry> | undefined = undefined;
  start = 0;
  length = 0;
  view: Uint8Array | undefined = undefined;
  /** Whether the value was read since it was placed in `chunk`. */
  wasRead = false;

  constructor(
    readonly key: Key,
    public newest: KeyState,
  ) {}

  /** Returns a copy for another index. Its value is not in a cache. */
  copy(): KeyEntry {
    const copy = new KeyEntry(this.key, this.newest);
    if (this.history !== undefined) copy.history = [...this.history];
    return copy;
  }

  /** The encoded KeyValue of `newest`; undefined: the cache does not hold it. */
  get value(): Uint8Array | undefined {
    const { chunk, start } = this;
    return chunk && (this.view ??= chunk.memory.subarray(start, start + this.length));
  }

  /** Whether the key exists, after its newest change. */
  get isLive(): boolean {
    return !isTombstone(this.newest);
  }

  /** Returns the put whose value the key had at revision `at`; if it is the newest change, the object `newest`; undefined: the key did not exist. */
  putAt(at: number): Pick<KeyState, "mod" | "sub"> | undefined {
    const { newest, history } = this;
    if (newest.mod <= at) return isTombstone(newest) ? undefined : newest;
    if (history === undefined) return undefined;
    const position = findLastUpTo(history, at);
    const sub = Number(history[position + 1]);
    return position >= 0 && sub >= 0 ? { mod: Number(history[position]) as Revision, sub } : undefined;
  }
}

/** Returns the index in `history` of the last change with a revision of at most `at`; negative: there is none. */
function findLastUpTo(history: readonly number[], at: number): number {
  let low = 0;
  let high = history.length / 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (Number(history[2 * middle]) <= at) low = middle + 1;
    else high = middle;
  }
  return 2 * (low - 1);
}

/** The bounds of one slice of a compaction. */
export interface CompactionSlice {
  /** The revision that is compacted. */
  readonly revision: number;
  /** The most entries that a slice visits, and the most changes of one entry that it removes; the next slice continues with that entry. */
  readonly maxEntries: number;
  /** The slice visits no further entry once this many changes could be removed. */
  readonly maxRemovals: number;
}

/** The entries visited between two calls of `shouldYield`. */
const entriesPerWalk = 100;

/**
 * All keys in memory, in order. A deleted key stays until a compaction has removed every revision at which it existed.
 *
 * Example: one key with these changes, each written as revision and place within the revision ("t": a delete, for tombstone):
 *
 *     put 2_0 · put 4_1 · delete 5_0t · put 7_0
 *     newest   { mod: 7, sub: 0 }
 *     history  [2, 0,  4, 1,  5, ~0]
 *
 *     a delete 8_3t adds [7, 0,  8, ~3] to the history: all keys that revision 8 deletes share one `newest`, which has no place
 *
 *     read at 1         the key did not exist
 *     read at 3         2_0, the last change up to 3
 *     read at 6         the key did not exist: the last change up to 6 is a delete
 *     read at 7         7_0, which is `newest`: the history is not searched
 *
 *     compacted at 3    removes nothing: a read at 3 needs 2_0
 *     compacted at 4    removes 2_0; a read at 4 needs 4_1
 *     compacted at 5    removes 4_1; the delete stays for a watch that starts at 5
 *     compacted at 6    removes 5_0t: without it, too, a read at 6 finds no key
 *
 * If 5_0t were the newest change, the compaction at 6 would remove the whole key.
 */
export class KeyIndex {
  private readonly entries: EntryBlocks<KeyEntry>;
  /** Entries that were found recently. Empty while entries are shared with a copy of the index, since any of them may be replaced by its copy. */
  private readonly recents = new RecentEntries<KeyEntry>();
  /** The newest revision with a change in the index, or a newer one whose changes were undone. */
  private newest = 0;

  constructor(entries = new EntryBlocks<KeyEntry>()) {
    this.entries = entries;
  }

  /** Returns a copy for another store, quickly: both share their entries, and copy those that one of them changes. */
  copy(): KeyIndex {
    const copy = new KeyIndex(this.entries.copy());
    copy.newest = this.newest;
    this.recents.clear();
    return copy;
  }

  get size(): number {
    return this.entries.size;
  }

  /** The number of keys that exist after their newest changes. */
  get liveSize(): number {
    return this.entries.countLive("", undefined);
  }

  get(key: Key): KeyEntry | undefined {
    return this.entries.get(key);
  }

  /** Finds the entry of a key. */
  find(key: Uint8Array): KeyEntry | undefined {
    const recent = this.findRecent(key);
    if (recent !== undefined) return recent;
    const entry = this.entries.get(keyFromBytes(key));
    if (entry !== undefined) this.remember(entry);
    return entry;
  }

  /** Finds the entry of a key if it is among the recently found ones, without a search in the index. */
  findRecent(key: Uint8Array): KeyEntry | undefined {
    return this.recents.get(key);
  }

  /** Adds an entry of this index to those that `findRecent` finds. */
  remember(entry: KeyEntry): void {
    if (!this.entries.isShared) this.recents.add(entry, this.entries.size);
  }

  /** Finds the entry of a key that exists after its newest change. */
  findLive(key: Key): KeyEntry | undefined {
    const entry = this.entries.get(key);
    return entry === undefined || isTombstone(entry.newest) ? undefined : entry;
  }

  /**
   * Adds the newest change of a key.
   *
   * @param known the result of `get(key)`
   * @param sub the place of the change among those of its revision
   * @returns the entry of the key after the change, which may be a copy of `known`
   */
  advance(key: Key, known: KeyEntry | undefined, state: KeyState, sub: number): KeyEntry {
    this.newest = Math.max(this.newest, state.mod);
    if (known === undefined) {
      const added = new KeyEntry(key, state);
      if (isTombstone(state)) added.history = [state.mod, ~sub];
      this.entries.add(added);
      return added;
    }
    const entry = this.entries.unshare(known);
    const { newest, history } = entry;
    if (isTombstone(state)) {
      if (history !== undefined) {
        if (entry.isLive) history.push(newest.mod, newest.sub);
        history.push(state.mod, ~sub);
      } else entry.history = [newest.mod, newest.sub, state.mod, ~sub]; // a literal takes no more memory than it needs
    } else if (entry.isLive) {
      if (history === undefined) entry.history = [newest.mod, newest.sub];
      else history.push(newest.mod, newest.sub);
    }
    this.replaceNewest(entry, state);
    return entry;
  }

  /** Undoes the newest change of a key. @param before the state before the change; undefined: the key was not in the index */
  takeBack(entry: KeyEntry, before: KeyState | undefined): void {
    if (before === undefined) {
      this.remove(entry);
      return;
    }
    const { history } = entry;
    if (history !== undefined) {
      if (!entry.isLive) history.length -= 2;
      if (!isTombstone(before)) history.length -= 2;
      if (history.length === 0) entry.history = undefined;
    }
    this.replaceNewest(entry, before);
  }

  /**
   * Returns the number of keys of an interval that exist at revision `at`; undefined: there are changes after `at`, so the caller has to
   * visit the keys.
   */
  countAt({ from, to }: Interval, at: number): number | undefined {
    return at >= this.newest ? this.entries.countLive(from, to) : undefined;
  }

  /**
   * Visits the entries in an interval in key order, deleted keys too, until `visit` returns false. `visit` must not change the index.
   *
   * @returns the key to continue from; undefined: all entries were visited
   */
  walk(interval: Interval, visit: (entry: KeyEntry) => boolean): Key | undefined {
    const last = this.entries.walk(interval.from, interval.to, visit);
    return last && keyAfter(last.key);
  }

  /**
   * Visits entries like `walk`, in slices. Between slices keys and changes may be added to the index, and none may be removed.
   *
   * @param shouldYield called with the number of entries visited since its last call; true: yield to other work
   */
  *walkSliced({ from, to }: Interval, shouldYield: ShouldYield, visit: (entry: KeyEntry) => boolean): Sliced<void> {
    let next: Key | undefined = from;
    for (;;) {
      let visited = 0;
      next = this.walk({ from: next, to }, (entry) => visit(entry) && ++visited < entriesPerWalk);
      if (next === undefined || visited < entriesPerWalk) return; // all were visited, or `visit` has returned false
      if (shouldYield(visited)) yield;
    }
  }

  /**
   * Compacts keys from `from` on, as many as `bounds` allow.
   *
   * @param removed the list to which the removed changes are added, oldest first within each key
   * @returns the key to continue from; undefined: all keys are compacted
   */
  compactFrom(from: Key, bounds: CompactionSlice, removed: BlockChange[]): Key | undefined {
    const entries: KeyEntry[] = [];
    let visited = 0;
    let changes = 0;
    const next = this.walk({ from, to: undefined }, (entry) => {
      if (entry.history !== undefined) {
        entries.push(entry);
        changes += 1 + entry.history.length / 2;
      }
      visited += 1;
      return visited < bounds.maxEntries && changes < bounds.maxRemovals;
    });
    for (const entry of entries) if (!this.compact(this.entries.unshare(entry), bounds, removed)) return entry.key;
    return next;
  }

  /**
   * Removes the changes of one key that no read at `revision` or later can see. Let c be the key's last change at or before `revision`:
   * all changes before c are removed, and c too if it is a delete before `revision`. (A delete at `revision` itself stays for a watch
   * that starts there, as in etcd since 3.5.16.)
   *
   * @param removed the list to which the removed changes are added, oldest first
   * @returns whether all these changes are removed; if not, the key must be compacted again
   */
  private compact(entry: KeyEntry, { revision, maxEntries }: CompactionSlice, removed: BlockChange[]): boolean {
    const { history = [], newest } = entry;
    const end = entry.isLive && newest.mod <= revision ? history.length : findEndOfUnreadable(history, revision);
    const removable = Math.min(end, 2 * maxEntries);
    for (let i = 0; i < removable; i += 2) removed.push(changeAt(history, i));
    const isAll = removable === end;
    if (!isAll) history.splice(0, removable);
    else if (end > 0) entry.history = end === history.length ? undefined : history.slice(end); // a new array, without unused memory
    if (isAll && newest.mod < revision && !entry.isLive) this.remove(entry);
    return isAll;
  }

  private replaceNewest(entry: KeyEntry, state: KeyState): void {
    const wasLive = entry.isLive;
    entry.newest = state;
    if (entry.isLive !== wasLive) this.entries.updateLives(entry);
  }

  private remove(entry: KeyEntry): void {
    this.recents.delete(entry);
    this.entries.delete(entry.key);
  }
}

function changeAt(history: readonly number[], position: number): BlockChange {
  const code = Number(history[position + 1]);
  return { main: Number(history[position]), sub: code < 0 ? ~code : code, tombstone: code < 0 };
}

/**
 * Returns the index in `history` of the first change that a read at `revision` or later can see. Only for a key whose newest change is
 * after `revision`, or is a delete, which is the last change in `history`.
 */
function findEndOfUnreadable(history: readonly number[], revision: number): number {
  const last = findLastUpTo(history, revision);
  if (last < 0) return 0;
  const isOldDelete = Number(history[last + 1]) < 0 && Number(history[last]) < revision;
  return isOldDelete ? last + 2 : last;
}

import type { BlockChange } from "../disk/index.js";
import { type Interval, type Key, keyAfter, keyFromBytes, type Revision, type Sliced } from "../base/index.js";
import { EntryBlocks } from "./entry-blocks.js";
import { isTombstone, type KeyState } from "./key-value.js";
import { RecentEntries } from "./recent-entries.js";
import type { ValueChunk } from "./value-chunk.js";

/** A key with all its changes that a read can still ask for. */
export class KeyEntry {
  /**
   * Older changes, oldest first, and `newest` if it is a delete. Two numbers each: main, and sub of a put or ~sub of a delete. Numbers
   * in one array instead of objects: a million keys have millions of changes.
   */
  history: number[] | undefined = undefined;
  // The encoded KeyValue of `newest`, while the cache holds it: where it lies. A view of it is made for its first reader, as it takes
  // more memory than most values, and for so long that the collector copies it twice.
  chunk: ValueChunk<KeyEntry> | undefined = undefined;
  start = 0;
  length = 0;
  view: Uint8Array | undefined = undefined;
  /** Whether the value was asked for since it was placed there. */
  used = false;

  constructor(
    readonly key: Key,
    public newest: KeyState,
  ) {}

  /** Returns the same key for another index. The copy has no value in a cache. */
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

  /** The put whose value the key had at revision `at`: `newest` itself if it is that. Undefined: the key did not exist. */
  putAt(at: number): Pick<KeyState, "mod" | "sub"> | undefined {
    const { newest, history } = this;
    if (newest.mod <= at) return isTombstone(newest) ? undefined : newest;
    if (history === undefined) return undefined;
    const position = findLastUpTo(history, at);
    const sub = Number(history[position + 1]);
    return position >= 0 && sub >= 0 ? { mod: Number(history[position]) as Revision, sub } : undefined;
  }
}

/** Position of the last change in `history` whose main is at most `at`; -1: none. */
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

/** Bound of one slice of a compaction. */
export interface CompactionSlice {
  readonly revision: number;
  /** Entries that are visited; and changes of one entry: one with more is gone on with in the next slice. */
  readonly maxEntries: number;
  /** Checked after each key. */
  readonly maxRemovals: number;
}

/** Entries that are visited before it is asked whether to pause. */
const entriesPerWalk = 100;

/**
 * All keys in memory, in order. Deleted keys stay until a compaction makes sure that nobody can ask for what they were.
 *
 * An example, one key with these changes, each written as revision and place within the revision ("t": a delete):
 *
 *     put 2_0 · put 4_1 · delete 5_0t · put 7_0
 *     newest   { mod: 7, sub: 0 }
 *     history  [2, 0,  4, 1,  5, ~0]
 *
 *     a delete 8_3t adds 7_0 and itself to the history: keys that a revision deletes share one state, which says no place
 *
 *     read at 1         the key did not exist
 *     read at 3         2_0, the last change up to 3
 *     read at 6         the key did not exist: the last change up to 6 is a delete
 *     read at 7         7_0, without a look into the history
 *
 *     compacted at 3    forgets nothing: a read at 3 needs 2_0
 *     compacted at 4    forgets 2_0; a read at 4 needs 4_1
 *     compacted at 5    forgets 4_1; the delete stays for a watch that starts at 5
 *     compacted at 6    forgets 5_0t: a read at 6 finds no key without it, too
 *
 * Were 5_0t the newest change, the compaction at 6 would remove the whole key.
 */
export class KeyIndex {
  private readonly entries: EntryBlocks<KeyEntry>;
  /** Empty while another index has some of the entries: each may be replaced by its copy then. */
  private readonly recents = new RecentEntries<KeyEntry>();
  /** The newest revision with a change here, or a later one whose changes were taken back. */
  private newest = 0;

  constructor(entries = new EntryBlocks<KeyEntry>()) {
    this.entries = entries;
  }

  /** Returns the same keys for another store, at once: what both have in common is copied where one of them changes it. */
  copy(): KeyIndex {
    const copy = new KeyIndex(this.entries.copy());
    copy.newest = this.newest;
    this.recents.clear();
    return copy;
  }

  get size(): number {
    return this.entries.size;
  }

  /** Number of keys that exist, after their newest changes. */
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

  /** Finds the entry of a key if that takes no search. */
  findRecent(key: Uint8Array): KeyEntry | undefined {
    return this.recents.get(key);
  }

  /** Has `findRecent` find an entry, which is of this index. */
  remember(entry: KeyEntry): void {
    if (!this.entries.isShared) this.recents.add(entry, this.entries.size);
  }

  /** The entry if the key exists now. */
  findLive(key: Key): KeyEntry | undefined {
    const entry = this.entries.get(key);
    return entry === undefined || isTombstone(entry.newest) ? undefined : entry;
  }

  /**
   * Notes the newest change of a key.
   *
   * @param known what `get(key)` returned
   * @param sub place of the change among those of its revision
   * @returns the entry of the key from now on
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
      } else entry.history = [newest.mod, newest.sub, state.mod, ~sub]; // of the length that it needs
    } else if (entry.isLive) {
      if (history === undefined) entry.history = [newest.mod, newest.sub];
      else history.push(newest.mod, newest.sub);
    }
    this.replaceNewest(entry, state);
    return entry;
  }

  /** Takes back the newest change of a key. `before`: what it was before; absent: unknown to the index. */
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

  /** Number of keys of an interval that exist at revision `at`. Undefined: there are later changes, and the keys have to be visited. */
  countAt({ from, to }: Interval, at: number): number | undefined {
    return at >= this.newest ? this.entries.countLive(from, to) : undefined;
  }

  /**
   * Visits all entries in an interval in key order, deleted ones too, until `visit` returns false. The index must not
   * change meanwhile.
   *
   * @returns the key to go on from; absent: all were visited
   */
  walk(interval: Interval, visit: (entry: KeyEntry) => boolean): Key | undefined {
    const last = this.entries.walk(interval.from, interval.to, visit);
    return last && keyAfter(last.key);
  }

  /**
   * The same, in slices: the index may gain keys and changes meanwhile, but lose none.
   *
   * @param shouldYield told how many entries were visited since it was asked last; true: others are to run
   */
  *walkSliced(
    { from, to }: Interval,
    shouldYield: (entries: number) => boolean,
    visit: (entry: KeyEntry) => boolean,
  ): Sliced<void> {
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
   * @param removed takes the forgotten changes, oldest first within each key
   * @returns the key to go on from; absent: all are done
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
   * Forgets the changes of one key that no read at `revision` or later can see: all before the newest one at or before
   * it, and that one too if it is a delete older than `revision`. (A delete at `revision` itself stays for the watch
   * that starts there; etcd since 3.5.16.)
   *
   * @param removed takes the forgotten changes, oldest first
   * @returns whether that was all of them; if not, the key is to be compacted again
   */
  private compact(entry: KeyEntry, { revision, maxEntries }: CompactionSlice, removed: BlockChange[]): boolean {
    const { history = [], newest } = entry;
    const end = entry.isLive && newest.mod <= revision ? history.length : findEndOfUnreadable(history, revision);
    const forgotten = Math.min(end, 2 * maxEntries);
    for (let i = 0; i < forgotten; i += 2) removed.push(changeAt(history, i));
    const isAll = forgotten === end;
    if (!isAll) history.splice(0, forgotten);
    else if (end > 0) entry.history = end === history.length ? undefined : history.slice(end); // takes no more memory than it needs
    if (isAll && newest.mod < revision && !entry.isLive) this.remove(entry);
    return isAll;
  }

  private replaceNewest(entry: KeyEntry, state: KeyState): void {
    const wasLive = entry.isLive;
    entry.newest = state;
    if (entry.isLive !== wasLive) this.entries.countChange(entry);
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

/** Returns the first index in `history` that a read at `revision` or later can see. The newest change is later, or the last one there. */
function findEndOfUnreadable(history: readonly number[], revision: number): number {
  const last = findLastUpTo(history, revision);
  if (last < 0) return 0;
  const isOldDelete = Number(history[last + 1]) < 0 && Number(history[last]) < revision;
  return isOldDelete ? last + 2 : last;
}

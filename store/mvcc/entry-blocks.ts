import type { Key } from "../base/index.js";

/** An item that is sorted by its key. */
interface Keyed {
  readonly key: Key;
  /** Whether the key exists, so that `countLive` counts it. */
  readonly isLive: boolean;
}

/** A sorted item that can be copied. */
interface Copyable<Self> extends Keyed {
  copy(): Self;
}

/** A block with more entries is split. Longer blocks make additions slower, shorter ones take more memory. */
const maxBlockLength = 128;

/**
 * Entries in the order of their keys. The entries are in blocks, which are sorted arrays. Each block has a bound: a key at or below all
 * keys of the block and above all keys of the blocks before. A search is two binary searches; an addition moves the entries of one
 * block only, however many entries there are. The number of live entries is kept for each block, so `countLive` visits the entries of
 * the first and the last block of an interval only. Example with blocks of at most four entries:
 *
 *   add a b c d    bounds ""        blocks [a b c d]
 *   add e          bounds "" e      blocks [a b c d] [e]       ascending keys fill the blocks
 *   add ab         bounds "" b e    blocks [a ab] [b c d] [e]
 *   delete a, ab   bounds "" b e    blocks [] [b c d] [e]      the first block may be empty
 *   delete c, d    bounds "" b      blocks [] [b e]            neighbours become one if both fill at most half a block
 *
 * `copy` shares the blocks with the copy. Before one of both changes a shared block, or an entry in it, it copies the block and all
 * entries of the block.
 */
export class EntryBlocks<Entry extends Copyable<Entry>> {
  private blocks: Entry[][] = [[]];
  private bounds: Key[] = [""];
  private lives: number[] = [0];
  private count = 0;
  /** The last key that `get` did not find. Its place is kept, because the key is usually added next. */
  private soughtKey: Key | undefined = undefined;
  /** The place for `soughtKey`. */
  private sought = { block: 0, position: 0 };
  /** The blocks that may also be in a copy, or in the original of this copy; undefined: there was never another. */
  private shared: Set<readonly Entry[]> | undefined = undefined;

  get size(): number {
    return this.count;
  }

  /** Whether a copy, or the original, may have some of the same entries. */
  get isShared(): boolean {
    return this.shared !== undefined;
  }

  /** Returns an independent copy, in a time that depends on the number of blocks. */
  copy(): EntryBlocks<Entry> {
    const copy = new EntryBlocks<Entry>();
    copy.blocks = [...this.blocks];
    copy.bounds = [...this.bounds];
    copy.lives = [...this.lives];
    copy.count = this.count;
    copy.shared = new Set(this.blocks);
    this.shared = new Set(this.blocks);
    return copy;
  }

  /** Returns the entry that may be changed in place of `entry`, which is in a block: itself, or its copy if its block was shared. */
  unshare(entry: Entry): Entry {
    if (this.shared === undefined) return entry;
    const block = this.unshareBlock(this.blockOf(entry.key));
    return itemAt(block, positionIn(block, entry.key));
  }

  get(key: Key): Entry | undefined {
    const at = this.blockOf(key);
    const block = itemAt(this.blocks, at);
    const position = positionIn(block, key);
    const entry = block[position];
    if (entry?.key === key) return entry;
    this.soughtKey = key;
    this.sought.block = at;
    this.sought.position = position;
    return undefined;
  }

  /** Adds an entry. Its key must not be there. */
  add(entry: Entry): void {
    if (entry.key !== this.soughtKey) this.get(entry.key);
    const { block: at, position } = this.sought;
    this.soughtKey = undefined;
    const block = this.unshareBlock(at);
    if (position === block.length) block.push(entry);
    else block.splice(position, 0, entry);
    this.count += 1;
    this.addLives(at, entry.isLive ? 1 : 0);
    if (block.length > maxBlockLength) this.split(at, position);
  }

  /** Removes the entry of a key, which must be there. */
  delete(key: Key): void {
    this.soughtKey = undefined;
    const at = this.blockOf(key);
    const block = this.unshareBlock(at);
    const [entry] = block.splice(positionIn(block, key), 1);
    this.count -= 1;
    if (entry?.isLive === true) this.addLives(at, -1);
    const next = this.blocks[at + 1];
    if (next !== undefined && block.length + next.length <= maxBlockLength / 2) this.merge(at);
    else if (block.length === 0 && at > 0) this.removeBlock(at);
  }

  /** Updates the number of live entries after an entry has become live, or has stopped being live. */
  updateLives({ key, isLive }: Entry): void {
    this.addLives(this.blockOf(key), isLive ? 1 : -1);
  }

  /** Returns the number of live entries in `[from, to)`; `to` undefined: no end. */
  countLive(from: Key, to: Key | undefined): number {
    if (to !== undefined && to <= from) return 0;
    const last = to === undefined ? this.blocks.length : this.blockOf(to);
    let count = to === undefined ? 0 : this.countLiveBelow(last, to);
    const first = this.blockOf(from);
    for (let at = first; at < last; at++) count += itemAt(this.lives, at);
    return count - this.countLiveBelow(first, from);
  }

  /**
   * Visits the entries in `[from, to)` until `visit` returns false; `to` undefined: no end. `visit` must not add or delete entries.
   *
   * @returns the entry for which `visit` has returned false; undefined: all were visited
   */
  walk(from: Key, to: Key | undefined, visit: (entry: Entry) => boolean): Entry | undefined {
    let at = this.blockOf(from);
    let position = positionIn(itemAt(this.blocks, at), from);
    for (; at < this.blocks.length; at++, position = 0) {
      const block = itemAt(this.blocks, at);
      for (; position < block.length; position++) {
        const entry = itemAt(block, position);
        if (to !== undefined && entry.key >= to) return undefined;
        if (!visit(entry)) return entry;
      }
    }
    return undefined;
  }

  /** Returns the position of the last block whose bound is at or below `key`. */
  private blockOf(key: Key): number {
    const { bounds } = this;
    let low = 1;
    let high = bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (itemAt(bounds, middle) <= key) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Returns the number of live entries of a block below `key`. */
  private countLiveBelow(at: number, key: Key): number {
    const block = itemAt(this.blocks, at);
    const end = positionIn(block, key);
    let count = 0;
    for (let position = 0; position < end; position++) if (itemAt(block, position).isLive) count += 1;
    return count;
  }

  /** Returns a block that may be changed: itself, or its copy if it was shared. */
  private unshareBlock(at: number): Entry[] {
    const block = itemAt(this.blocks, at);
    if (this.shared?.delete(block) !== true) return block;
    return (this.blocks[at] = block.map((entry) => entry.copy()));
  }

  private addLives(at: number, difference: number): void {
    this.lives[at] = itemAt(this.lives, at) + difference;
  }

  /** Splits a block that is too long. @param added the position of the entry that was added last */
  private split(at: number, added: number): void {
    const block = itemAt(this.blocks, at);
    const isLast = at === this.blocks.length - 1 && added === block.length - 1;
    const upper = block.splice(isLast ? added : block.length >>> 1);
    this.blocks.splice(at + 1, 0, upper);
    this.bounds.splice(at + 1, 0, itemAt(upper, 0).key);
    const lives = upper.reduce((count, { isLive }) => (isLive ? count + 1 : count), 0);
    this.lives.splice(at + 1, 0, lives);
    this.addLives(at, -lives);
  }

  private merge(at: number): void {
    this.unshareBlock(at).push(...this.unshareBlock(at + 1));
    this.addLives(at, itemAt(this.lives, at + 1));
    this.removeBlock(at + 1);
  }

  private removeBlock(at: number): void {
    this.blocks.splice(at, 1);
    this.bounds.splice(at, 1);
    this.lives.splice(at, 1);
  }
}

/** Returns an item at a position that is within the array. */
const itemAt = <T>(items: readonly T[], position: number): T => items[position] as T;

/** Returns the position of the first entry in `block` at or above `key`. */
function positionIn(block: readonly Keyed[], key: Key): number {
  let low = 0;
  let high = block.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (itemAt(block, middle).key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

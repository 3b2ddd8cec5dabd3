import type { Key } from "../base/index.js";

/** An item that is kept in the order of its key. */
interface Keyed {
  readonly key: Key;
  /** Whether it counts as there. */
  readonly isLive: boolean;
}

/** An item that can be copied, for another list. */
interface Copyable<Self> extends Keyed {
  copy(): Self;
}

/** A block is split when it has more entries. Wider blocks make inserts dearer, narrower ones take more memory. */
const maxBlockLength = 128;

/**
 * Entries in the order of their keys. A block is a sorted array; beside the blocks stand their bounds, at or below each key of
 * the block and above those before it. A search is two binary searches, an insert moves the entries of one block only: however
 * many there are, nothing is ever copied as a whole. A block knows how many of its entries are live, so counting those of an
 * interval visits the entries of its first and last block only. With blocks of at most four entries:
 *
 *   add a b c d    bounds ""        blocks [a b c d]
 *   add e          bounds "" e      blocks [a b c d] [e]       ascending keys fill the blocks
 *   add ab         bounds "" b e    blocks [a ab] [b c d] [e]
 *   delete a, ab   bounds "" e      blocks [b c d] [e]
 *
 * A copy has the same blocks. Whoever changes one of them, or an entry in it, takes a copy of the block with all its entries first.
 */
export class EntryBlocks<Entry extends Copyable<Entry>> {
  private blocks: Entry[][] = [[]];
  private bounds: Key[] = [""];
  private lives: number[] = [0];
  private count = 0;
  /** The place of `soughtKey`, which was not found: most keys that are not there are added next. */
  private soughtKey: Key | undefined = undefined;
  private sought = { block: 0, position: 0 };
  /** The blocks that others may have, too; undefined: this was never copied, and is no copy. */
  private shared: Set<readonly Entry[]> | undefined = undefined;

  get size(): number {
    return this.count;
  }

  /** Whether others may have some of the entries, too. */
  get isShared(): boolean {
    return this.shared !== undefined;
  }

  /** Returns the same entries for another owner. What one of both changes is not in the other. */
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

  /** Returns an entry that is there, for a change: the same, or its copy if others have it, too. */
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

  /** Adds an entry whose key is not there yet. */
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

  /** Removes the entry of a key that is there. */
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

  /** Counts an entry in that has become live, or out that is not any more. */
  countChange({ key, isLive }: Entry): void {
    this.addLives(this.blockOf(key), isLive ? 1 : -1);
  }

  /** Number of live entries from `from` on, below `to` if there is such a bound. */
  countLive(from: Key, to: Key | undefined): number {
    if (to !== undefined && to <= from) return 0;
    const last = to === undefined ? this.blocks.length : this.blockOf(to);
    let count = to === undefined ? 0 : this.liveBelow(last, to);
    const first = this.blockOf(from);
    for (let at = first; at < last; at++) count += itemAt(this.lives, at);
    return count - this.liveBelow(first, from);
  }

  /**
   * Visits the entries from `from` on, below `to` if there is such a bound, until `visit` returns false. Nothing may be added
   * or deleted meanwhile.
   *
   * @returns the last entry visited if `visit` has returned false
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

  /** The last block whose bound is at or below `key`. */
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

  /** Number of live entries of a block below `key`. */
  private liveBelow(at: number, key: Key): number {
    const block = itemAt(this.blocks, at);
    const end = positionIn(block, key);
    let count = 0;
    for (let position = 0; position < end; position++) if (itemAt(block, position).isLive) count += 1;
    return count;
  }

  /** Returns a block that nobody else has. */
  private unshareBlock(at: number): Entry[] {
    const block = itemAt(this.blocks, at);
    if (this.shared?.delete(block) !== true) return block;
    return (this.blocks[at] = block.map((entry) => entry.copy()));
  }

  private addLives(at: number, difference: number): void {
    this.lives[at] = itemAt(this.lives, at) + difference;
  }

  /** @param added where the entry lies that was too much */
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

/** An item that is known to be there. */
const itemAt = <T>(items: readonly T[], position: number): T => items[position] as T;

/** Position of the first entry in `block` that is not below `key`. */
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

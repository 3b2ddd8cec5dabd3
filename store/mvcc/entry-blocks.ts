import type { Key } from "../base/index.js";

/** An item that is kept in the order of its key. */
interface Keyed {
  readonly key: Key;
}

/** A block is split when it has more entries. Wider blocks make inserts dearer, narrower ones take more memory. */
const maxBlockLength = 128;

/**
 * Entries in the order of their keys. A block is a sorted array; beside the blocks stand their bounds, at or below each key of
 * the block and above those before it. A search is two binary searches, an insert moves the entries of one block only: however
 * many there are, nothing is ever copied as a whole. With blocks of at most four entries:
 *
 *   add a b c d    bounds ""        blocks [a b c d]
 *   add e          bounds "" e      blocks [a b c d] [e]       ascending keys fill the blocks
 *   add ab         bounds "" b e    blocks [a ab] [b c d] [e]
 *   delete a, ab   bounds "" e      blocks [b c d] [e]
 */
export class EntryBlocks<Entry extends Keyed> {
  private blocks: Entry[][] = [[]];
  private bounds: Key[] = [""];
  private count = 0;

  get size(): number {
    return this.count;
  }

  get(key: Key): Entry | undefined {
    const block = itemAt(this.blocks, this.blockOf(key));
    const entry = block[positionIn(block, key)];
    return entry?.key === key ? entry : undefined;
  }

  /** Adds an entry whose key is not there yet. */
  add(entry: Entry): void {
    const at = this.blockOf(entry.key);
    const block = itemAt(this.blocks, at);
    const position = positionIn(block, entry.key);
    if (position === block.length) block.push(entry);
    else block.splice(position, 0, entry);
    this.count += 1;
    if (block.length > maxBlockLength) this.split(at, position);
  }

  /** Removes the entry of a key that is there. */
  delete(key: Key): void {
    const at = this.blockOf(key);
    const block = itemAt(this.blocks, at);
    block.splice(positionIn(block, key), 1);
    this.count -= 1;
    const next = this.blocks[at + 1];
    if (next !== undefined && block.length + next.length <= maxBlockLength / 2) this.merge(at);
    else if (block.length === 0 && at > 0) this.removeBlock(at);
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

  /** @param added where the entry lies that was too much */
  private split(at: number, added: number): void {
    const block = itemAt(this.blocks, at);
    const isLast = at === this.blocks.length - 1 && added === block.length - 1;
    const upper = block.splice(isLast ? added : block.length >>> 1);
    this.blocks.splice(at + 1, 0, upper);
    this.bounds.splice(at + 1, 0, itemAt(upper, 0).key);
  }

  private merge(at: number): void {
    const [block, next] = this.blocks.slice(at, at + 2) as [Entry[], Entry[]];
    block.push(...next);
    this.removeBlock(at + 1);
  }

  private removeBlock(at: number): void {
    this.blocks.splice(at, 1);
    this.bounds.splice(at, 1);
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

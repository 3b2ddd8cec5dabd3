import type { Position } from "./rows.js";

/** Blocks for which there is room at first; then the room doubles. */
const initialRoom = 1024;

/**
 * The places where the blocks on disk begin, and how many changes each has: LevelDB finds a row only by its whole row key. Numbers
 * in arrays instead of objects: a store that was written slowly has a block for each change. An example:
 *
 *   add 2_0 with 3 changes, add 5_0 with 1       find 4_1: the first block; find 9_0: the second; find 1_0: none
 *   the first one is gone                        the second keeps its number …
 *   tidy                                         … until now: find 9_0: the first block
 */
export class BlockList {
  private mains = new Float64Array(initialRoom);
  private subs = new Uint32Array(initialRoom);
  private counts = new Uint8Array(initialRoom);
  private length = 0;
  private gone = 0;

  /** Returns the same blocks for another store. */
  copy(): BlockList {
    const copy = new BlockList();
    copy.mains = this.mains.slice();
    copy.subs = this.subs.slice();
    copy.counts = this.counts.slice();
    copy.length = this.length;
    copy.gone = this.gone;
    return copy;
  }

  /** Adds a block that begins later than all others. */
  add({ main, sub }: Position, count: number): void {
    const at = this.length++;
    if (at === this.mains.length) this.grow();
    this.mains[at] = main;
    this.subs[at] = sub;
    this.counts[at] = count;
  }

  /** The number of the block that holds a change, if there is such a change; -1: it would be before all blocks. */
  find({ main, sub }: Position): number {
    const { mains, subs } = this;
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const difference = Number(mains[middle]) - main || Number(subs[middle]) - sub;
      if (difference <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** The place where a block begins. */
  begin(block: number): Position {
    return { main: Number(this.mains[block]), sub: Number(this.subs[block]) };
  }

  /** Number of changes in the row of a block, also those that are noted as removed. */
  count(block: number): number {
    return Number(this.counts[block]);
  }

  /** Notes how many changes a block has after it was written again; 0: it is gone. */
  setCount(block: number, count: number): void {
    this.counts[block] = count;
    if (count === 0) this.gone += 1;
  }

  /** Forgets the blocks that are gone, once they are a quarter of all, in one go. The others get new numbers. */
  tidy(): void {
    if (this.gone * 4 < this.length) return;
    const { mains, subs, counts, length } = this;
    let kept = 0;
    for (let at = 0; at < length; at++) {
      if (counts[at] === 0) continue;
      mains[kept] = Number(mains[at]);
      subs[kept] = Number(subs[at]);
      counts[kept] = Number(counts[at]);
      kept += 1;
    }
    this.length = kept;
    this.gone = 0;
  }

  private grow(): void {
    const room = 2 * this.length;
    this.mains = copyInto(this.mains, new Float64Array(room));
    this.subs = copyInto(this.subs, new Uint32Array(room));
    this.counts = copyInto(this.counts, new Uint8Array(room));
  }
}

function copyInto<T extends Float64Array | Uint32Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

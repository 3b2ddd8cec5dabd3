import type { Position } from "./rows.js";

/** The number of blocks that the first arrays hold; they double when they are full. */
const initialRoom = 1024;

/**
 * The first positions of the blocks on disk, and the number of changes in each. LevelDB finds a row only by its whole row key, so this
 * list finds the block of a change. Arrays of numbers instead of objects: a store with rare writes has a block per change. Example:
 *
 *   add 2_0 with 3 changes, add 5_0 with 1       find 4_1: block 0; find 9_0: block 1; find 1_0: -1
 *   setCount(0, 0): the first block is gone      find 9_0: still block 1
 *   tidy                                         find 9_0: block 0
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

  /** Returns the number of the last block that begins at or before a change; -1 if all begin later. */
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

  /** Returns the position at which a block begins. */
  positionOf(block: number): Position {
    return { main: Number(this.mains[block]), sub: Number(this.subs[block]) };
  }

  /** Returns the number of changes in the row of a block, including those noted as removed. */
  changeCountOf(block: number): number {
    return Number(this.counts[block]);
  }

  /** Sets the number of changes of a rewritten block; 0: the block is gone. */
  setCount(block: number, count: number): void {
    this.counts[block] = count;
    if (count === 0) this.gone += 1;
  }

  /** Removes the blocks that are gone from the list, if they are a quarter of all or more. The other blocks get new numbers. */
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

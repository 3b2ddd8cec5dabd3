import {
  type Backend,
  type BlockChange,
  BlockDraft,
  type BlockList,
  BlockReader,
  changeRowKey,
  comparePositions,
  nameOfRow,
  type Position,
  removedRowKey,
} from "../disk/index.js";
import { DamagedError, type StoreLimits } from "../base/index.js";
import { noBytes } from "../mvcc/index.js";
import type { Removal } from "./write-behind.js";

/** The part of a block's changes from whose removal on the block is rewritten; below it the removed changes are only noted. */
const partToRewrite = 1 / 4;

/** The cost of writing the note of a block, in units of one removal. */
const costOfNote = 2;
/** The cost of rewriting a block, in units of one removal. */
const costOfRewrite = 30;

/** The changes that one batch removes. */
export interface PlannedRemoval extends Removal {
  /** The cost, in units of one removal. */
  readonly cost: number;
  /** The blocks that the batch rewrites or removes, and the number of changes in each afterwards. */
  readonly counts: readonly (readonly [block: number, count: number])[];
}

/** A removal that is being planned. */
interface RemovalDraft {
  readonly rows: [rowKey: Uint8Array, row: Uint8Array | undefined][];
  readonly counts: [block: number, count: number][];
  cost: number;
}

/**
 * Removes changes from the blocks that hold them. An example, with blocks of eight changes each:
 *
 *   2_0 is removed             the block is not changed; a second row, the note, contains 2_0
 *   3_0 and 4_0 are removed    the block is rewritten with five changes, and the note is removed
 *   5_0 … 9_0 are removed      the block is removed
 */
export class BlockRemovals {
  private readonly draft: BlockDraft;

  constructor(
    private readonly backend: Backend,
    private readonly blocks: BlockList,
    private readonly limits: StoreLimits,
  ) {
    this.draft = new BlockDraft(limits.blockBytes);
  }

  /**
   * Plans one batch of removals: those of `changes` from index `from` on, whole blocks at a time, up to `removalsPerBatch`.
   *
   * @param changes oldest first, all on disk
   * @throws DamagedError if a block differs from the written one
   */
  plan(changes: readonly BlockChange[], from: number): PlannedRemoval {
    const plan: RemovalDraft = { rows: [], counts: [], cost: 0 };
    let at = from;
    for (let next = changes[at]; next !== undefined && plan.cost < this.limits.removalsPerBatch; next = changes[at]) {
      const block = this.blocks.find(next);
      let end = at + 1;
      for (let other = changes[end]; other !== undefined && this.blocks.find(other) === block; other = changes[end])
        end += 1;
      this.removeFrom(block, changes.slice(at, end), plan);
      at = end;
    }
    return { ...plan, changes: at - from };
  }

  private removeFrom(block: number, changes: readonly BlockChange[], plan: RemovalDraft): void {
    const begin = this.blocks.positionOf(block);
    const count = this.blocks.changeCountOf(block);
    const noted = this.readRemoved(begin);
    const gone = noted.length === 0 ? changes : [...noted, ...changes].sort(comparePositions);
    const { rows } = plan;
    plan.cost += changes.length + costOfNote;
    if (gone.length < count * partToRewrite) {
      rows.push(this.note(begin, gone));
      return;
    }
    const isEmpty = gone.length === count;
    if (!isEmpty) plan.cost += costOfRewrite;
    if (noted.length > 0) rows.push([removedRowKey(begin), undefined]);
    rows.push(isEmpty ? [changeRowKey(begin), undefined] : this.rewriteBlock(begin, count, gone));
    plan.counts.push([block, count - gone.length]);
  }

  /** Reads the note of a block: the changes that are already removed. */
  private readRemoved(begin: Position): readonly BlockChange[] {
    const rowKey = removedRowKey(begin);
    const row = this.backend.get(rowKey);
    if (row === undefined) return [];
    const changes: BlockChange[] = [];
    const reader = new BlockReader(this.backend.name, rowKey, row);
    while (reader.next()) changes.push({ main: reader.main, sub: reader.sub, tombstone: reader.tombstone });
    return changes;
  }

  private note(begin: Position, gone: readonly BlockChange[]): [Uint8Array, Uint8Array] {
    this.draft.beginAt(begin);
    for (const change of gone) this.draft.add(change, noBytes);
    const { rowKey, row } = this.draft.seal(removedRowKey);
    return [rowKey, row];
  }

  private rewriteBlock(begin: Position, count: number, gone: readonly BlockChange[]): [Uint8Array, Uint8Array] {
    const old = changeRowKey(begin);
    const stored = this.backend.get(old);
    if (stored === undefined) throw new DamagedError(nameOfRow(this.backend.name, old), "the row is missing");
    const reader = new BlockReader(this.backend.name, old, stored);
    let at = 0;
    this.draft.beginAt(begin);
    while (reader.next()) {
      const next = gone[at];
      if (next?.main === reader.main && next.sub === reader.sub) at += 1;
      else this.draft.add(reader, reader.keyValue);
    }
    const block = this.draft.seal();
    if (block.count !== count - gone.length)
      throw reader.createDamagedError("it holds other changes than were written");
    return [block.rowKey, block.row];
  }
}

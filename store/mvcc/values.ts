import { type Backend, type BlockList, BlockReader, changeRowKey, nameOfRow, type Position } from "../disk/index.js";
import { DamagedError } from "../base/index.js";
import type { KeyEntry } from "./key-index.js";
import type { Unflushed } from "./unflushed.js";
import type { ValueCache } from "./value-cache.js";

/** Larger blocks are not kept for the next read; they hold a single change anyway. */
const maxKeptBytes = 64 * 1024;

/** Finds the encoded KeyValue of a change, wherever it is. */
export class Values {
  /** Blocks that were read from disk so far: how long reads know when to let others run. */
  diskReads = 0;
  /**
   * The block that was read last: keys that were written together are often read together. It may have been compacted since;
   * the changes that are left in it are still the same.
   */
  private last: BlockReader | undefined = undefined;

  constructor(
    private readonly backend: Backend,
    private readonly unflushed: Unflushed,
    private readonly cache: ValueCache,
    private readonly blocks: BlockList,
  ) {}

  /** The KeyValue of a key that exists now. */
  readNewest(entry: KeyEntry): Uint8Array {
    const { value } = entry;
    if (value !== undefined) {
      entry.used = true;
      return value;
    }
    const { mod, sub } = entry.newest;
    return this.cache.holdCopy(entry, this.unflushed.find(mod, sub) ?? this.readFromDisk({ main: mod, sub }));
  }

  /** The KeyValue of one put. */
  readAt(main: number, sub: number): Uint8Array {
    // A copy: an answer of many values would keep the whole block of each in memory.
    return this.unflushed.find(main, sub) ?? Buffer.from(this.readFromDisk({ main, sub }));
  }

  /** A part of its block. */
  private readFromDisk(position: Position): Uint8Array {
    const block = this.blocks.find(position);
    const reader = this.readBlock(block < 0 ? position : this.blocks.positionOf(block));
    if (!reader.find(position)) throw reader.damage(`the change ${position.main}_${position.sub} is missing`);
    return reader.keyValue;
  }

  private readBlock(begin: Position): BlockReader {
    if (this.last?.begin.main === begin.main && this.last.begin.sub === begin.sub) return this.last;
    this.diskReads += 1;
    const rowKey = changeRowKey(begin);
    const row = this.backend.get(rowKey);
    if (row === undefined) throw new DamagedError(nameOfRow(this.backend.name, rowKey), "the row is missing");
    const reader = new BlockReader(this.backend.name, rowKey, row);
    if (row.length <= maxKeptBytes) this.last = reader;
    return reader;
  }
}

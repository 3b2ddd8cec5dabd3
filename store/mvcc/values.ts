import { type Backend, type BlockList, BlockReader, changeRowKey, nameOfRow, type Position } from "../disk/index.js";
import { DamagedError } from "../base/index.js";
import type { KeyEntry } from "./key-index.js";
import type { Unflushed } from "./unflushed.js";
import type { ValueCache } from "./value-cache.js";

/** The most bytes of a block that is kept for the next read. Larger blocks have a single change, so another read seldom needs them. */
const maxKeptBytes = 64 * 1024;

/** Reads the encoded KeyValue of a change: from the cache, from the unflushed changes, or from disk. */
export class Values {
  /** The number of blocks read from disk so far. Long reads yield after a number of blocks. */
  diskReads = 0;
  /**
   * The block that was read last: keys that were written together are often read together. A compaction may have rewritten its row
   * since then with fewer changes; the changes that are left are the same.
   */
  private last: BlockReader | undefined = undefined;

  constructor(
    private readonly backend: Backend,
    private readonly unflushed: Unflushed,
    private readonly cache: ValueCache,
    private readonly blocks: BlockList,
  ) {}

  /** Returns the newest KeyValue of a key that exists after its newest change, and puts it into the cache. */
  readNewest(entry: KeyEntry): Uint8Array {
    const { value } = entry;
    if (value !== undefined) {
      entry.wasRead = true;
      return value;
    }
    const { mod, sub } = entry.newest;
    return this.cache.holdCopy(entry, this.unflushed.find(mod, sub) ?? this.readFromDisk({ main: mod, sub }));
  }

  /** Returns the KeyValue of one put. */
  readAt(main: number, sub: number): Uint8Array {
    // A view would keep its whole block in memory, and an answer may have views of many blocks. Therefore a copy.
    return this.unflushed.find(main, sub) ?? Buffer.from(this.readFromDisk({ main, sub }));
  }

  /** Returns a view of the KeyValue in the memory of its block. */
  private readFromDisk(position: Position): Uint8Array {
    const block = this.blocks.find(position);
    const reader = this.readBlock(block < 0 ? position : this.blocks.positionOf(block));
    if (!reader.find(position))
      throw reader.createDamagedError(`the change ${position.main}_${position.sub} is missing`);
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

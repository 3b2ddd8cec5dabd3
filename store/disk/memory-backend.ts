// Rows in memory: sorted blocks, which views and copies share until one of them writes to a block.

import type { Backend, BackendSize, Batch, Row, RowIterator, View } from "./backend.js";

/** The most rows of a block; a larger one is split. */
const maxBlockLength = 128;

/** Rows in key order. Only the table that owns a block may change it. */
interface RowBlock {
  owner: object;
  /** The keys as latin1 text, which has the order of the bytes and is compared fast. */
  readonly keys: string[];
  readonly values: Uint8Array[];
}

/**
 * Sorted rows in blocks. A copy of the table shares the blocks; a write to a shared block copies the block first:
 *
 *   put a b c      blocks [a b c]
 *   copy           both tables have [a b c]
 *   put d          this one [a b c d], the copy [a b c]
 */
class RowTable {
  private owner = {};
  private bytes = 0;

  /** @param blocks shared with others; at least one, and only the first may be empty */
  constructor(private readonly blocks: RowBlock[] = [{ owner: {}, keys: [], values: [] }]) {}

  get size(): number {
    return this.bytes;
  }

  copy(): RowTable {
    this.owner = {}; // from now on all blocks are shared
    const copy = new RowTable([...this.blocks]);
    copy.bytes = this.bytes;
    return copy;
  }

  get(key: string): Uint8Array | undefined {
    const block = this.blocks[this.blockOf(key)];
    if (block === undefined) return undefined;
    const position = positionIn(block.keys, key);
    return block.keys[position] === key ? block.values[position] : undefined;
  }

  put(key: string, value: Uint8Array): void {
    const at = this.blockOf(key);
    const block = this.writableBlock(at);
    const { keys, values } = block;
    const position = positionIn(keys, key);
    this.bytes += value.length;
    if (keys[position] === key) {
      this.bytes -= values[position]?.length ?? 0;
      values[position] = value;
      return;
    }
    this.bytes += key.length;
    if (position === keys.length) {
      keys.push(key);
      values.push(value);
    } else {
      keys.splice(position, 0, key);
      values.splice(position, 0, value);
    }
    if (keys.length > maxBlockLength) this.split(at, block, position);
  }

  delete(key: string): void {
    const at = this.blockOf(key);
    const found = this.blocks[at];
    if (found === undefined) return;
    const position = positionIn(found.keys, key);
    if (found.keys[position] !== key) return;
    const { keys, values } = this.writableBlock(at);
    this.bytes -= key.length + (values[position]?.length ?? 0);
    keys.splice(position, 1);
    values.splice(position, 1);
    if (keys.length === 0 && this.blocks.length > 1) this.blocks.splice(at, 1);
  }

  /** Iterates over the rows in `[from, to)`; the table must not change meanwhile. */
  *rows(from: string, to: string): Generator<Row, void, void> {
    let at = this.blockOf(from);
    let position = positionIn(this.blocks[at]?.keys ?? [], from);
    for (; at < this.blocks.length; at++, position = 0) {
      const { keys, values } = itemAt(this.blocks, at);
      for (; position < keys.length; position++) {
        const key = itemAt(keys, position);
        if (key >= to) return;
        yield [Buffer.from(key, "latin1"), itemAt(values, position)];
      }
    }
  }

  /** Returns the position of the last block whose first key is at or below `key`; 0 if there is none. */
  private blockOf(key: string): number {
    let low = 1;
    let high = this.blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.blocks[middle]?.keys[0] ?? "") <= key) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Returns the block at a position for writing: a copy if the block is shared. */
  private writableBlock(at: number): RowBlock {
    const block = itemAt(this.blocks, at);
    if (block.owner === this.owner) return block;
    return (this.blocks[at] = { owner: this.owner, keys: [...block.keys], values: [...block.values] });
  }

  /**
   * Splits a block that is too large.
   *
   * @param added the position of the row added last; at the end of the block, only that row moves, so ascending keys fill the blocks
   */
  private split(at: number, { owner, keys, values }: RowBlock, added: number): void {
    const half = added === keys.length - 1 ? added : keys.length >>> 1;
    this.blocks.splice(at + 1, 0, { owner, keys: keys.splice(half), values: values.splice(half) });
  }
}

/** Returns an item that exists. */
const itemAt = <T>(items: readonly T[], position: number): T => items[position] as T;

/** Returns the position of the first of `keys` that is not below `key`. */
const positionIn = (keys: readonly string[], key: string): number => {
  const last = keys.at(-1);
  if (last === undefined || last < key) return keys.length; // most rows are added at the end
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (itemAt(keys, middle) < key) low = middle + 1;
    else high = middle;
  }
  return low;
};

const textOf = (key: Uint8Array): string => Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");

/** Returns an iterator over rows that do not change. */
const iteratorOf = (rows: Generator<Row, void, void>): RowIterator => ({
  next: (count) => {
    const some: Row[] = [];
    while (some.length < count) {
      const next = rows.next();
      if (next.done === true) break;
      some.push(next.value);
    }
    return Promise.resolve(some);
  },
  close: () => Promise.resolve(),
});

/** Reads a table: a view, and the reading part of a backend. */
class MemoryView implements View {
  readonly name = "memory";

  constructor(protected readonly table: RowTable) {}

  get(key: Uint8Array): Uint8Array | undefined {
    return this.table.get(textOf(key));
  }

  iterate(from: Uint8Array, to: Uint8Array): RowIterator {
    return iteratorOf(this.table.copy().rows(textOf(from), textOf(to)));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A change of a batch; without a value the row is deleted. */
interface RowChange {
  readonly key: string;
  readonly value: Uint8Array | undefined;
}

/** Rows in memory only. The cost of a copy does not grow with the number of rows. */
export class MemoryBackend extends MemoryView implements Backend {
  constructor(table = new RowTable()) {
    super(table);
  }

  /** Returns an independent backend with the same rows. */
  copy(): MemoryBackend {
    return new MemoryBackend(this.table.copy());
  }

  view(): View {
    return new MemoryView(this.table.copy());
  }

  batch(): Batch {
    const changes: RowChange[] = [];
    return {
      put: (key, value) => void changes.push({ key: textOf(key), value: Uint8Array.from(value) }),
      delete: (key) => void changes.push({ key: textOf(key), value: undefined }),
      write: () => {
        for (const { key, value } of changes)
          if (value === undefined) this.table.delete(key);
          else this.table.put(key, value);
        return Promise.resolve();
      },
    };
  }

  size(): Promise<BackendSize> {
    return Promise.resolve({ allocatedBytes: this.table.size, inUseBytes: this.table.size });
  }
}

/** Opens an empty backend in memory. */
export const openMemoryBackend = (): Promise<MemoryBackend> => Promise.resolve(new MemoryBackend());

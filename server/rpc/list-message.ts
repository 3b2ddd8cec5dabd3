import { numberSize, writeNumber } from "../../proto/index.js";

/**
 * An encoded list message in pieces: the fields before the items, the items of one repeated field, the fields after them. An
 * engine copies each piece once, to its output. The items must not change until then.
 */
export class ListMessage {
  /** Bytes of the whole message. */
  readonly length: number;

  /**
   * @param tag the tag of the items' field, one byte
   * @param itemBytes bytes of the items as fields; absent: they are added up
   */
  constructor(
    readonly head: Uint8Array,
    readonly tag: number,
    readonly items: readonly Uint8Array[],
    readonly tail: Uint8Array,
    itemBytes = sizeOfFields(items, 0, items.length),
  ) {
    this.length = head.length + itemBytes + tail.length;
  }

  /** Returns the message in one piece. */
  toBytes(): Uint8Array {
    const bytes = Buffer.allocUnsafe(this.length);
    bytes.set(this.head);
    let at = this.head.length;
    for (const item of this.items) at = writeItem(bytes, at, this.tag, item);
    bytes.set(this.tail, at);
    return bytes;
  }
}

/** Returns the bytes of a field of wire type 2 with content of this length, including tag and length. */
export const fieldSize = (length: number): number => 1 + numberSize(length) + length;

/** Returns the bytes of the items from `from` to `to - 1`, as fields. A plain loop: in a generator it is ten times as slow. */
export const sizeOfFields = (items: readonly Uint8Array[], from: number, to: number): number => {
  let size = 0;
  for (let n = from; n < to; n++) size += fieldSize(items[n]?.length ?? 0);
  return size;
};

/** Writes an item as a field. @returns the offset behind it */
export const writeItem = (target: Uint8Array, at: number, tag: number, item: Uint8Array): number => {
  const start = writeItemPrefix(target, at, tag, item);
  target.set(item, start);
  return start + item.length;
};

/** Writes the tag and the length of an item. @returns the offset behind them */
export const writeItemPrefix = (target: Uint8Array, at: number, tag: number, item: Uint8Array): number => {
  target[at] = tag;
  return writeNumber(target, at + 1, item.length);
};

// A block: consecutive changes in one row. LevelDB takes about the same time to write or read a row of any size, so many changes
// in one row are many times cheaper.
//
//   k ‖ main ‖ _ ‖ sub  →  change … ‖ crc32       the row key is the position of the first change, or an earlier one
//   change: head ‖ [main ‖ sub] ‖ KeyValue
//   head: 8 × length of the KeyValue + 4 if the key was deleted + position
//   position: 0  the first change of the next revision
//             1  the next change of the same revision
//             2  main and sub follow: main as the difference to that of the change before, or of the row key
//
// Numbers are protobuf's varints. An example, with KeyValues in brackets: put a, then put b and delete a in one transaction,
// then put c; and the same block after a compaction has removed the first two changes:
//
//   k 5_0  →  put, +0, 0 [a]   put, next revision [b]   deleted, same revision [a]   put, next revision [c]   crc32
//   k 5_0  →  deleted, +1, 1 [a]   put, next revision [c]   crc32
//
// A compaction does not rewrite a block for a few changes. The compaction notes the removed ones in a second row, in the format of a block with
// empty KeyValues:
//
//   r ‖ main ‖ _ ‖ sub  →  change … ‖ crc32       the same main and sub as in the row key of the block

import { DamagedError } from "../base/index.js";
import { changeRowKey, checksumSize, nameOfRow, openRow, parseBlockRowKey, type Position, sealRow } from "./rows.js";

/** The position of a change, and whether it deleted its key. */
export interface BlockChange extends Position {
  readonly tombstone: boolean;
}

/** An encoded block. */
export interface Block {
  /** The position in the row key. */
  readonly begin: Position;
  /** Number of changes. */
  readonly count: number;
  readonly rowKey: Uint8Array;
  readonly row: Uint8Array;
}

/** The last two bits of a head: the next revision, the same one, or a stated position. */
const nextMain = 0;
const sameMain = 1;
const stated = 2;
const tombstoneBit = 4;
const headScale = 8;

/** The most changes of a block: that many small ones are read and checked in less than 1 ms. */
const maxChanges = 250;
/** A change of more than one such part of `blockBytes` is a block of its own: its removal frees the row at once. */
const largePart = 8;
/** The most bytes that a loop copies faster than `set`, which needs a view of them. */
const maxLoopBytes = 64;
/** The most bytes of a change beside its KeyValue: three numbers. */
const maxHeadBytes = 24;

/** Gathers consecutive changes until `seal` returns them as a block; then begins an empty block. */
export class BlockDraft {
  private readonly standardBytes: number;
  private memory: Buffer;
  private end = 0;
  private count = 0;
  private begin: Position | undefined = undefined;
  /** The last change. */
  private main = 0;
  private sub = 0;
  private hasLarge = false;

  /** @param blockBytes size of a block; 0: each change is a block of its own */
  constructor(private readonly blockBytes: number) {
    this.standardBytes = blockBytes + maxHeadBytes + checksumSize;
    this.memory = Buffer.allocUnsafeSlow(this.standardBytes);
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** Tells whether a KeyValue of `length` bytes may be added; always to an empty block. */
  hasRoomFor(length: number): boolean {
    if (this.count === 0) return true;
    if (this.hasLarge || this.count === maxChanges || this.isLarge(length)) return false;
    return this.end + maxHeadBytes + length <= this.blockBytes;
  }

  /** Begins an empty block with a row key of its own: that of the block which it replaces. */
  beginAt({ main, sub }: Position): void {
    this.clear();
    this.begin = { main, sub };
  }

  /** The memory of the block; the next change may replace it. */
  get bytes(): Buffer {
    return this.memory;
  }

  /** Adds a change that is later than all in the block. The KeyValue is all of `source`, or `length` bytes from `start` on. */
  add(change: BlockChange, source: Uint8Array, start = 0, length = source.length): void {
    const at = this.place(change, length);
    const { memory } = this;
    if (length > maxLoopBytes)
      memory.set(start === 0 && length === source.length ? source : source.subarray(start, start + length), at);
    else for (let n = 0; n < length; n++) memory[at + n] = source[start + n] ?? 0;
  }

  /** Adds a change, whose KeyValue the caller writes into `bytes` next. @returns the offset of the KeyValue */
  place({ main, sub, tombstone }: BlockChange, length: number): number {
    this.makeRoom(length);
    this.begin ??= { main, sub };
    const isFirst = this.count === 0;
    const place = isFirst ? stated : this.placeOf(main, sub);
    const { memory } = this;
    let end = writeNumber(memory, length * headScale + (tombstone ? tombstoneBit : 0) + place, this.end);
    if (place === stated) {
      end = writeNumber(memory, main - (isFirst ? this.begin.main : this.main), end);
      end = writeNumber(memory, sub, end);
    }
    this.end = end + length;
    this.main = main;
    this.sub = sub;
    this.count += 1;
    this.hasLarge = this.isLarge(length);
    return end;
  }

  /** Ends the block, which must not be empty. @param rowKeyOf encodes the row key, by the kind of row */
  seal(rowKeyOf = changeRowKey): Block {
    const { begin, memory, count } = this;
    if (begin === undefined) throw new Error("Cannot seal an empty block");
    const rowKey = rowKeyOf(begin);
    const size = this.end + checksumSize;
    const isStandard = memory.length === this.standardBytes;
    const row = isStandard ? Buffer.from(memory.subarray(0, size)) : memory.subarray(0, size);
    sealRow(rowKey, row);
    if (!isStandard) this.memory = Buffer.allocUnsafeSlow(this.standardBytes);
    this.clear();
    return { begin, count, rowKey, row };
  }

  private clear(): void {
    this.end = this.count = 0;
    this.begin = undefined;
    this.hasLarge = false;
  }

  private isLarge(length: number): boolean {
    return length * largePart > this.blockBytes;
  }

  private placeOf(main: number, sub: number): number {
    if (main === this.main && sub === this.sub + 1) return sameMain;
    return main === this.main + 1 && sub === 0 ? nextMain : stated;
  }

  private makeRoom(length: number): void {
    const needed = this.end + maxHeadBytes + length + checksumSize;
    if (needed <= this.memory.length) return;
    const larger = Buffer.allocUnsafeSlow(needed);
    this.memory.copy(larger, 0, 0, this.end);
    this.memory = larger;
  }
}

/** Reads the changes of a block, one after another. */
export class BlockReader implements BlockChange {
  readonly begin: Position;
  /** The block with its heads, without the checksum. */
  readonly content: Buffer;
  // The last change read.
  main = 0;
  sub = 0;
  tombstone = false;
  /** The KeyValue, as a part of `content`. */
  from = 0;
  to = 0;

  /**
   * @param place the store's name, for messages
   * @throws DamagedError if the row differs from the written one
   */
  constructor(
    private readonly place: string,
    private readonly rowKey: Uint8Array,
    row: Uint8Array,
  ) {
    const content = openRow(place, rowKey, row);
    const begin = parseBlockRowKey(rowKey);
    if (begin === undefined) throw this.createDamagedError("not the key of changes");
    this.begin = begin;
    this.content = Buffer.isBuffer(content)
      ? content
      : Buffer.from(content.buffer, content.byteOffset, content.byteLength);
    this.rewind();
  }

  /** The KeyValue of the change: a view that keeps the whole block in memory. */
  get keyValue(): Uint8Array {
    return this.content.subarray(this.from, this.to);
  }

  /** Reads the next change. @returns false if there is none @throws DamagedError */
  next(): boolean {
    if (this.to === this.content.length) return false;
    this.from = this.to;
    const head = this.readNumber();
    const place = head & 3;
    if (place === sameMain) this.sub += 1;
    else if (place === nextMain) {
      this.main += 1;
      this.sub = 0;
    } else {
      this.main += this.readNumber();
      this.sub = this.readNumber();
    }
    this.tombstone = (head & tombstoneBit) !== 0;
    this.to = this.from + Math.floor(head / headScale);
    if (this.to > this.content.length) throw this.createDamagedError("a change goes beyond its end");
    return true;
  }

  /** Reads the change at a position. @returns false if it is not in the block */
  find({ main, sub }: Position): boolean {
    if (main < this.main || (main === this.main && sub < this.sub)) this.rewind();
    if (this.to > 0 && main === this.main && sub === this.sub) return true;
    while (this.next()) if (main === this.main && sub === this.sub) return true;
    return false;
  }

  /** Returns the error for a damaged block. */
  createDamagedError(reason: string): DamagedError {
    return new DamagedError(nameOfRow(this.place, this.rowKey), reason);
  }

  private rewind(): void {
    this.main = this.begin.main;
    this.sub = 0;
    this.from = this.to = 0;
  }

  private readNumber(): number {
    let result = 0;
    for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
      const byte = this.content[this.from++];
      if (byte === undefined) break;
      result += (byte & 0x7f) * scale;
      if (byte < 0x80) return result;
    }
    throw this.createDamagedError("a number does not end");
  }
}

function writeNumber(target: Uint8Array, value: number, start: number): number {
  let at = start;
  let rest = value;
  // Numbers beyond 31 bits need division; below, bit operations are several times faster.
  for (; rest > 0x7fff_ffff; rest = Math.floor(rest / 128)) target[at++] = (rest % 128) | 0x80;
  for (; rest >= 128; rest >>>= 7) target[at++] = (rest & 0x7f) | 0x80;
  target[at++] = rest;
  return at;
}

import { noBytes } from "../../base/index.js";
import { fieldSize, type ListMessage, writeItem, writeItemPrefix } from "../../rpc/index.js";
import type { Output } from "./output.js";

/** An item up to this size is not divided if the frame has room for it: the rest of the output chunk stays empty. The unit is bytes. */
const maxWholeBytes = 1024;

/** Copies a message in pieces to the output, part by part. */
export class ListCursor {
  private next = 0;
  /** The current piece, the number of its copied bytes, and the next piece. */
  private piece: Uint8Array;
  private offset = 0;
  private following: Uint8Array = noBytes;

  constructor(private readonly message: ListMessage) {
    this.piece = message.head;
  }

  get length(): number {
    return this.message.length;
  }

  /** Returns the whole message in one piece. */
  toBytes(): Uint8Array {
    return this.message.toBytes();
  }

  /** Copies the next bytes, no more than are left. */
  moveTo(output: Output, bytes: number): void {
    for (let left = bytes; left > 0;) {
      left -= this.offset < this.piece.length ? this.movePiece(output, left) : this.moveItem(output, left);
    }
  }

  private movePiece(output: Output, most: number): number {
    const count = Math.min(most, this.piece.length - this.offset);
    output.add(this.piece, this.offset, this.offset + count);
    this.offset += count;
    return count;
  }

  /** Copies the next item if it is small, else makes it the current piece. @returns the number of copied bytes */
  private moveItem(output: Output, most: number): number {
    const { items, tag, tail } = this.message;
    if (this.following.length > 0) {
      this.setPieces(this.following, noBytes);
      return 0;
    }
    const item = items[this.next++];
    if (item === undefined) {
      this.setPieces(tail, noBytes);
      return 0;
    }
    const size = fieldSize(item.length);
    if (size <= most && size <= maxWholeBytes) {
      const target = output.reserve(size);
      output.end = writeItem(target, output.end, tag, item);
      return size;
    }
    const prefix = new Uint8Array(size - item.length);
    writeItemPrefix(prefix, 0, tag, item);
    this.setPieces(prefix, item);
    return 0;
  }

  private setPieces(piece: Uint8Array, following: Uint8Array): void {
    this.piece = piece;
    this.offset = 0;
    this.following = following;
  }
}

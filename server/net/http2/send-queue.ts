import { noBytes } from "../../base/index.js";
import { emptyList } from "../../../platform/index.js";
import type { ListMessage } from "../../rpc/index.js";
import { ListCursor } from "./list-cursor.js";
import type { Output } from "./output.js";

/** Bytes before a gRPC message: a flag and its length. */
export const messagePrefixBytes = 5;

interface QueuedPart {
  readonly bytes: Uint8Array;
  /** The content, if the part is a message in pieces. */
  readonly list?: ListCursor;
  /** Whether the part is the end of a message. */
  readonly isEnd: boolean;
}

/** The encoded messages of one stream that wait for the client's windows. */
export class SendQueue {
  /** Bytes in the queue. */
  size = 0;
  private parts = emptyList<QueuedPart>();
  /** The number of sent bytes of the first part. */
  private offset = 0;

  /** Adds a message of two parts, which are not changed any more. */
  add(head: Uint8Array, tail: Uint8Array): void {
    const prefix = new Uint8Array(messagePrefixBytes);
    writeMessagePrefix(prefix, 0, head.length + tail.length);
    this.addPart(prefix, head.length + tail.length === 0);
    if (head.length > 0) this.addPart(head, tail.length === 0);
    if (tail.length > 0) this.addPart(tail, true);
  }

  /** Adds a message in pieces. @returns the bytes that were added */
  addLists(pieces: readonly ListMessage[]): number {
    const length = lengthOf(pieces);
    const prefix = new Uint8Array(messagePrefixBytes);
    writeMessagePrefix(prefix, 0, length);
    // A part without bytes would not complete before the next one.
    const parts = pieces.filter((piece) => piece.length > 0);
    this.addPart(prefix, parts.length === 0);
    for (const [n, piece] of parts.entries())
      this.parts.push({ bytes: noBytes, list: new ListCursor(piece), isEnd: n === parts.length - 1 });
    this.size += length;
    return messagePrefixBytes + length;
  }

  /** Adds bytes that are no message. */
  addBytes(bytes: Uint8Array): void {
    this.addPart(bytes, true);
  }

  /** Moves bytes to the output, no more than there are. @returns the number of messages that are complete with them */
  moveTo(output: Output, bytes: number): number {
    let completed = 0;
    this.size -= bytes;
    for (let left = bytes; left > 0;) {
      const part = this.parts[0];
      if (part === undefined) break;
      const length = part.list === undefined ? part.bytes.length : part.list.length;
      const count = Math.min(left, length - this.offset);
      if (part.list === undefined) output.add(part.bytes, this.offset, this.offset + count);
      else part.list.moveTo(output, count);
      this.offset += count;
      left -= count;
      if (this.offset < length) break;
      if (part.isEnd) completed += 1;
      this.parts.shift();
      this.offset = 0;
    }
    return completed;
  }

  /**
   * Copies the queued messages in pieces: a piece retains the whole buffer that contains it, which a client that does not read
   * must not cause.
   *
   * @param most no further message is copied after this number of bytes
   * @returns the number of copied bytes
   */
  copyLists(most: number): number {
    let copied = 0;
    for (const [n, { list, isEnd }] of this.parts.entries()) {
      if (copied >= most) break;
      if (list === undefined) continue;
      this.parts[n] = { bytes: list.toBytes(), isEnd };
      copied += list.length;
    }
    return copied;
  }

  private addPart(bytes: Uint8Array, isEnd: boolean): void {
    this.parts.push({ bytes, isEnd });
    this.size += bytes.length;
  }
}

/** Returns the length in bytes of a message in pieces. */
export const lengthOf = (pieces: readonly ListMessage[]): number =>
  pieces.reduce((total, { length }) => total + length, 0);

/** Writes the flag and the length of an uncompressed message. @returns the offset behind them */
export const writeMessagePrefix = (bytes: Uint8Array, at: number, length: number): number => {
  bytes[at] = 0;
  bytes[at + 1] = length >>> 24;
  bytes[at + 2] = length >>> 16;
  bytes[at + 3] = length >>> 8;
  bytes[at + 4] = length;
  return at + messagePrefixBytes;
};

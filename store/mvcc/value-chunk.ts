import { checksumSize } from "../disk/index.js";

/** A piece of memory that the encoded KeyValues of many entries share, each with room for the checksum of its row behind it. */
export class ValueChunk<Entry> {
  /** The entries whose value was placed here; some have another value by now, or none. */
  readonly entries: Entry[] = [];
  /** Number of values here that are still held. */
  live = 0;
  private used = 0;
  private readonly memory: Buffer;

  /** @param isShared whether there is room for more than one value */
  constructor(
    readonly bytes: number,
    readonly isShared: boolean,
  ) {
    this.memory = Buffer.allocUnsafeSlow(bytes);
  }

  hasRoomFor(length: number): boolean {
    return this.used + length + checksumSize <= this.bytes;
  }

  take(length: number): Buffer {
    const start = this.used;
    this.used += length + checksumSize;
    return this.memory.subarray(start, start + length);
  }
}

/** The row of a KeyValue that lies in a chunk: the room for the checksum included. */
export const rowAround = ({ buffer, byteOffset, length }: Uint8Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, length + checksumSize);

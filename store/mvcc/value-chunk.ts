import { emptyList } from "../base/index.js";

/** A buffer with the encoded KeyValues of many entries, or with a single large one. */
export class ValueChunk<Entry> {
  /** The entries whose values were placed here. Some may have a newer value elsewhere, or none. */
  readonly entries = emptyList<Entry>();
  /** The number of values here that are still in the cache. */
  live = 0;
  /** The offset of the memory that `reserveBytes` has reserved last. */
  taken = 0;
  readonly memory: Buffer;
  private used = 0;

  /** @param isShared false: the chunk is for a single large value */
  constructor(
    readonly bytes: number,
    readonly isShared: boolean,
  ) {
    this.memory = Buffer.allocUnsafeSlow(bytes);
  }

  hasRoomFor(length: number): boolean {
    return this.used + length <= this.bytes;
  }

  /** Reserves memory for the next value, from `taken` on. */
  reserveBytes(length: number): void {
    this.taken = this.used;
    this.used += length;
  }
}

/** The place of a KeyValue in memory. */
export interface ValuePlace<Entry> {
  readonly chunk: ValueChunk<Entry>;
  readonly start: number;
  readonly length: number;
}

import { emptyList } from "../base/index.js";
/** A piece of memory that the encoded KeyValues of many entries share. */
export class ValueChunk<Entry> {
  /** The entries whose value was placed here; some have another value by now, or none. */
  readonly entries = emptyList<Entry>();
  /** Number of values here that are still held. */
  live = 0;
  /** Offset of the memory that was taken last. */
  taken = 0;
  readonly memory: Buffer;
  private used = 0;

  /** @param isShared whether there is room for more than one value */
  constructor(
    readonly bytes: number,
    readonly isShared: boolean,
  ) {
    this.memory = Buffer.allocUnsafeSlow(bytes);
  }

  hasRoomFor(length: number): boolean {
    return this.used + length <= this.bytes;
  }

  /** Takes memory for the next value, from `taken` on. */
  take(length: number): void {
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

/** A piece of memory that the encoded KeyValues of many entries share. */
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
    return this.used + length <= this.bytes;
  }

  take(length: number): Buffer {
    const start = this.used;
    this.used += length;
    return this.memory.subarray(start, start + length);
  }
}

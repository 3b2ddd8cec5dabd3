/** The most memory that one entry keeps from being freed, unless its record is longer. */
const chunkBytes = 64 * 1024;

/**
 * The memory of recovered payloads. Entries are views into it: payloads are copied out of the segment into chunks, so that a
 * few entries do not keep a whole segment in memory.
 */
export class PayloadMemory {
  private chunk = new Uint8Array();
  private used = 0;

  /** Copies a payload. */
  copyPayload(payload: Uint8Array): Uint8Array {
    if (payload.length > chunkBytes / 4) return payload.slice(); // in a chunk it would waste the rest of the last one
    if (this.used + payload.length > this.chunk.length) {
      this.chunk = new Uint8Array(chunkBytes);
      this.used = 0;
    }
    const copy = this.chunk.subarray(this.used, this.used + payload.length);
    copy.set(payload);
    this.used += payload.length;
    return copy;
  }
}

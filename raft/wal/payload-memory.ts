/** An entry keeps so much memory alive with it, or its own record if that is longer. */
const chunkBytes = 64 * 1024;

/**
 * Where what is read of a log is kept. Entries are views into it: so that a few of them do not hold a whole segment in
 * memory until the log is truncated behind them, payloads are copied out of it, side by side into chunks.
 */
export class PayloadMemory {
  private chunk = new Uint8Array();
  private used = 0;

  copyPayload(payload: Uint8Array): Uint8Array {
    if (payload.length > chunkBytes / 4) return payload.slice(); // in a chunk, it would waste what is left of the last one
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

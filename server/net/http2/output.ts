import { chunkBytes, maxFreeChunks } from "./limits.js";

/** Chunks of memory that connections gather their bytes in, used again and again. */
export class ChunkPool {
  private readonly free: Buffer[] = [];

  take(): Buffer {
    return this.free.pop() ?? Buffer.allocUnsafeSlow(chunkBytes);
  }

  giveBack(chunk: Buffer): void {
    if (this.free.length < maxFreeChunks) this.free.push(chunk);
  }
}

/** A chunk, and how much of it is filled. */
export interface FilledChunk {
  readonly chunk: Buffer;
  readonly length: number;
}

/**
 * Gathers the bytes for one client until they are written to its socket, all at once.
 *
 * A writer reserves room, writes behind `end`, and moves `end`: `const bytes = output.reserve(9); output.end = writeFrameHeader(bytes,
 * output.end, …)`.
 */
export class Output {
  /** The offset behind the last byte of the chunk that is being filled. */
  end = 0;
  private current: Buffer | undefined;
  private full: FilledChunk[] = [];
  private fullBytes = 0;

  constructor(private readonly pool: ChunkPool) {}

  /** Bytes that are gathered. */
  get size(): number {
    return this.fullBytes + this.end;
  }

  /** Makes room for so many bytes in one piece, at most `chunkBytes`. */
  reserve(bytes: number): Buffer {
    if (this.current !== undefined && this.end + bytes <= chunkBytes) return this.current;
    this.closeChunk();
    return (this.current = this.pool.take());
  }

  /** Copies bytes of any length. */
  append(bytes: Uint8Array, start = 0, end = bytes.length): void {
    for (let at = start; at < end;) {
      const chunk = this.reserve(1);
      const part = Math.min(end - at, chunkBytes - this.end);
      chunk.set(at === 0 && part === bytes.length ? bytes : bytes.subarray(at, at + part), this.end);
      this.end += part;
      at += part;
    }
  }

  /** Takes out what was gathered. */
  take(): readonly FilledChunk[] {
    this.closeChunk();
    const taken = this.full;
    this.full = [];
    this.fullBytes = 0;
    return taken;
  }

  private closeChunk(): void {
    if (this.current === undefined) return;
    this.full.push({ chunk: this.current, length: this.end });
    this.fullBytes += this.end;
    this.current = undefined;
    this.end = 0;
  }
}

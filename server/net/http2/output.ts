import { emptyList } from "../../../platform/index.js";
import { chunkBytes, largeChunkBytes, maxFreeChunks, maxFreeLargeChunks } from "./limits.js";

/** A pool of chunks of memory for the output of connections. There are two sizes. */
export class ChunkPool {
  private readonly free = emptyList<Buffer>();
  private readonly freeLarge = emptyList<Buffer>();

  takeChunk(): Buffer {
    return this.free.pop() ?? Buffer.allocUnsafeSlow(chunkBytes);
  }

  takeLarge(): Buffer {
    return this.freeLarge.pop() ?? Buffer.allocUnsafeSlow(largeChunkBytes);
  }

  giveBack(chunk: Buffer): void {
    const isLarge = chunk.length > chunkBytes;
    const free = isLarge ? this.freeLarge : this.free;
    if (free.length < (isLarge ? maxFreeLargeChunks : maxFreeChunks)) free.push(chunk);
  }
}

/** Bytes to be written, in order. */
export interface OutputPart {
  readonly bytes: Buffer;
  /** The chunk that returns to the pool once all parts before it are written. */
  readonly chunk: Buffer | undefined;
}

/** The size from which on a buffer is written without a copy: a further part of a write costs less than the copy. The unit is bytes. */
export const minSharedBytes = 4 * 1024;

/**
 * Collects the output for one client until a single write to its socket.
 *
 * A writer reserves room, writes at `end`, and advances `end`: `const bytes = output.reserve(9); output.end =
 * writeFrameHeader(bytes, output.end, …)`.
 */
export class Output {
  /** The offset behind the last byte of the current chunk. */
  end = 0;
  private current: Buffer | undefined;
  /** The offset of the first byte of that chunk that is in no part yet. */
  private start = 0;
  private parts = emptyList<OutputPart>();
  private partBytes = 0;
  private partSlack = 0;

  /**
   * @param isOnePiece whether the output is in one piece, up to `largeChunkBytes`: TLS would join parts again, which costs a
   * copy
   */
  constructor(
    private readonly pool: ChunkPool,
    private readonly isOnePiece = false,
  ) {}

  /** Bytes of output. */
  get size(): number {
    return this.partBytes + this.end - this.start;
  }

  /** Unused bytes of large chunks: memory that is allocated in addition to `size`. */
  get slack(): number {
    return this.partSlack + (this.current === undefined ? 0 : slackOf(this.current, this.end));
  }

  /** Reserves bytes in one piece, at most `chunkBytes`. */
  reserve(bytes: number): Buffer {
    const { current } = this;
    if (current !== undefined && this.end + bytes <= current.length) return current;
    if (this.isOnePiece && current?.length === chunkBytes) return this.enlarge(current);
    this.closeChunk();
    return (this.current = this.pool.takeChunk());
  }

  /**
   * Adds bytes of any length that are not changed any more: a few are copied, many are referred to. Bytes within a much larger
   * buffer are copied: a client that does not read would retain the whole buffer.
   */
  add(bytes: Uint8Array, start = 0, end = bytes.length): void {
    if (this.isOnePiece || end - start < minSharedBytes || bytes.buffer.byteLength > 2 * bytes.length) {
      this.append(bytes, start, end);
      return;
    }
    const { current } = this;
    if (current !== undefined && this.end > this.start) this.addPart(current.subarray(this.start, this.end));
    this.start = this.end;
    this.addPart(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start));
  }

  /** Copies bytes of any length. */
  append(bytes: Uint8Array, start = 0, end = bytes.length): void {
    for (let at = start; at < end;) {
      const chunk = this.reserve(1);
      const part = Math.min(end - at, chunk.length - this.end);
      chunk.set(at === 0 && part === bytes.length ? bytes : bytes.subarray(at, at + part), this.end);
      this.end += part;
      at += part;
    }
  }

  /** Removes and returns the output. */
  takeParts(): readonly OutputPart[] {
    this.closeChunk();
    const taken = this.parts;
    this.parts = emptyList();
    this.partBytes = this.partSlack = 0;
    return taken;
  }

  private enlarge(chunk: Buffer): Buffer {
    const large = this.pool.takeLarge();
    large.set(chunk.subarray(0, this.end));
    this.pool.giveBack(chunk);
    return (this.current = large);
  }

  private closeChunk(): void {
    const { current } = this;
    if (current === undefined) return;
    this.addPart(current.subarray(this.start, this.end), current);
    this.partSlack += slackOf(current, this.end);
    this.current = undefined;
    this.start = this.end = 0;
  }

  private addPart(bytes: Buffer, chunk?: Buffer): void {
    this.parts.push({ bytes, chunk });
    this.partBytes += bytes.length;
  }
}

const slackOf = (chunk: Buffer, used: number): number => (chunk.length > chunkBytes ? chunk.length - used : 0);

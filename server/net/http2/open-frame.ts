import { frameHeaderBytes, frameType, writeFrameHeader, writeFrameLength } from "./frames.js";
import { maxFrameBytes } from "./limits.js";
import type { ServerStream } from "./stream.js";

/**
 * The DATA frame at the end of a connection's output, which further messages of the same stream extend: a client handles each
 * frame by itself, which costs it more than reading a small message.
 *
 * An event for 20 watchers of one stream, 300 bytes each: the first message begins a frame, the others extend it to 6 000
 * bytes.
 */
export class OpenFrame {
  private stream: ServerStream | undefined = undefined;
  private memory: Buffer | undefined = undefined;
  private start = 0;
  private end = 0;

  /**
   * Reserves `length` bytes of a stream behind the output that ends at `at`. @returns the offset at which they are to be
   * written
   */
  extend(bytes: Buffer, at: number, stream: ServerStream, length: number): number {
    let from = at;
    if (!this.hasRoom(bytes, at, stream, length)) {
      this.stream = stream;
      this.memory = bytes;
      this.start = at;
      from = writeFrameHeader(bytes, at, 0, frameType.data, 0, stream.id);
    }
    this.end = from + length;
    writeFrameLength(bytes, this.start, this.end);
    return from;
  }

  /** Ends the frame: the output continues elsewhere. */
  close(): void {
    this.stream = this.memory = undefined;
  }

  private hasRoom(bytes: Buffer, at: number, stream: ServerStream, length: number): boolean {
    if (stream !== this.stream || bytes !== this.memory || at !== this.end) return false;
    return at + length - this.start <= frameHeaderBytes + maxFrameBytes;
  }
}

// The frames of HTTP/2 (RFC 9113 §4, §6) that a connection to Node is inspected for.

import { frameFlag, frameHeaderBytes, frameType } from "../http2/index.js";

/** The largest payload of a frame by default, which Node does not change (RFC 9113 §4.2). */
export const maxNodeFrameBytes = 16_384;

/** The header of a frame (RFC 9113 §4.1). */
export interface FrameHeader {
  /** Bytes of the payload. */
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
}

/** Receives one direction of a connection, in order: complete frames of the requested types, and all other bytes as they arrive. */
export interface FrameVisitor {
  /** Whether the frame is passed to `onWhole`, once it is complete. */
  shouldReadWhole(header: FrameHeader): boolean;
  onWhole(header: FrameHeader, frame: Buffer): void;
  /** A frame begins; its bytes are passed to `onBytes`. */
  onBegin(header: FrameHeader): void;
  onBytes(bytes: Buffer): void;
}

/** Divides one direction of a connection, after the preface, into frames. */
export class FrameCutter {
  /** The bytes of an incomplete header, or of an incomplete frame for `onWhole`. */
  private held: Buffer = Buffer.alloc(0);
  /** Missing bytes of the last frame. */
  private remaining = 0;

  constructor(private readonly visitor: FrameVisitor) {}

  /** Whether no frame is incomplete. */
  get isAtBoundary(): boolean {
    return this.remaining === 0 && this.held.length === 0;
  }

  /** Whether the last frame is incomplete: nothing can be inserted behind the bytes that were passed on. */
  get isWithinFrame(): boolean {
    return this.remaining > 0;
  }

  push(chunk: Buffer): void {
    const bytes = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    let unseen = 0;
    let at = 0;
    while (at < bytes.length) {
      if (this.remaining > 0) {
        const part = Math.min(this.remaining, bytes.length - at);
        this.remaining -= part;
        at += part;
        continue;
      }
      if (bytes.length < at + frameHeaderBytes) break;
      const header = readHeader(bytes, at);
      if (this.visitor.shouldReadWhole(header)) {
        const end = at + frameHeaderBytes + header.length;
        if (bytes.length < end) break;
        this.passOn(bytes.subarray(unseen, at));
        this.visitor.onWhole(header, bytes.subarray(at, end));
        at = unseen = end;
      } else {
        this.visitor.onBegin(header);
        this.remaining = frameHeaderBytes + header.length;
      }
    }
    this.passOn(bytes.subarray(unseen, at));
    this.held = bytes.subarray(at);
  }

  private passOn(bytes: Buffer): void {
    if (bytes.length > 0) this.visitor.onBytes(bytes);
  }
}

/** Reads the header of the frame that begins at `at`. */
export const readHeader = (bytes: Buffer, at: number): FrameHeader => ({
  length: bytes.readUIntBE(at, 3),
  type: bytes.readUInt8(at + 3),
  flags: bytes.readUInt8(at + 4),
  stream: bytes.readUInt32BE(at + 5) & 0x7f_ff_ff_ff,
});

/** Encodes a frame. */
export const encodeFrame = (type: number, flags: number, stream: number, payload: Uint8Array): Buffer => {
  const header = Buffer.alloc(frameHeaderBytes);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
};

/** Encodes a GOAWAY frame (RFC 9113 §6.8): no stream after `lastStream` was or will be served. */
export const encodeGoAway = (lastStream: number, error: number, text: string): Buffer => {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(lastStream, 0);
  payload.writeUInt32BE(error, 4);
  return encodeFrame(frameType.goAway, 0, 0, Buffer.concat([payload, Buffer.from(text, "latin1")]));
};

/** Finds the header block fragment within a HEADERS frame (RFC 9113 §6.2). */
export const headerBlockOf = (flags: number, frame: Buffer): { readonly start: number; readonly end: number } => {
  const padded = (flags & frameFlag.padded) !== 0;
  const start = frameHeaderBytes + (padded ? 1 : 0) + ((flags & frameFlag.priority) === 0 ? 0 : 5);
  const padding = padded ? (frame[frameHeaderBytes] ?? 0) : 0;
  return { start, end: Math.max(start, frame.length - padding) };
};

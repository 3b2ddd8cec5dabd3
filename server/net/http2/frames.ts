// The frames of HTTP/2 (RFC 9113 §4, §6): divides bytes into frames, and encodes frames. Independent of sockets.

import { ConnectionError, http2ErrorCode } from "./errors.js";
import { maxFrameBytes } from "./limits.js";

/** The 24 bytes at the start of every HTTP/2 connection (RFC 9113 §3.4). */
export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
/** The bytes before the payload of every frame: length, type, flags, stream. */
export const frameHeaderBytes = 9;

/** Types of frames (RFC 9113 §6). */
export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  resetStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** Flags of frames; `ack` is for SETTINGS and PING, the others for HEADERS and DATA. */
export const frameFlag = { ack: 0x1, endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

/** Identifiers of settings (RFC 9113 §6.5.2). */
export const setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

/** Receives frames. The payload is in `bytes` from `start` to `end`, and valid only during the call. */
export interface FrameHandler {
  /** @returns false: no further frame is to be read */
  onFrame(type: number, flags: number, stream: number, bytes: Buffer, start: number, end: number): boolean;
}

/**
 * Divides the bytes of a client, after the preface, into frames. A frame within one chunk is passed on without a copy; a frame
 * in several chunks is assembled in a buffer of its own size.
 *
 * For example, of a chunk `[9-byte header, 100 bytes of a payload of 150]` the reader holds a buffer of 159 bytes, 109 of which
 * are filled; the next chunk fills the other 50, the frame is passed on, and the rest of that chunk is read in place.
 */
export class FrameReader {
  private held: Buffer | undefined;
  private filled = 0;

  /** Whether the last frame is incomplete. */
  get isWithinFrame(): boolean {
    return this.held !== undefined;
  }

  /** @throws ConnectionError for a frame larger than `maxFrameBytes`, and the errors of `handler` */
  push(chunk: Buffer, handler: FrameHandler): void {
    let at = this.held === undefined ? 0 : this.fill(chunk, handler);
    while (chunk.length - at >= frameHeaderBytes) {
      const start = at + frameHeaderBytes;
      const end = start + lengthOf(chunk, at);
      if (end > chunk.length) break;
      at = end;
      if (!handler.onFrame(typeOf(chunk, start), flagsOf(chunk, start), streamOf(chunk, start), chunk, start, end))
        return;
    }
    if (at < chunk.length) this.hold(chunk, at);
  }

  private hold(chunk: Buffer, at: number): void {
    const isHeaderThere = chunk.length - at >= frameHeaderBytes;
    this.held = Buffer.allocUnsafe(frameHeaderBytes + (isHeaderThere ? lengthOf(chunk, at) : 0));
    this.filled = chunk.copy(this.held, 0, at);
  }

  /** Completes the held frame, if there are enough bytes. @returns the offset of the bytes behind it */
  private fill(chunk: Buffer, handler: FrameHandler): number {
    let at = 0;
    for (;;) {
      const held = this.held;
      if (held === undefined) return at;
      const copied = chunk.copy(held, this.filled, at);
      this.filled += copied;
      at += copied;
      if (this.filled < held.length) return at;
      const end = frameHeaderBytes + lengthOf(held, 0);
      if (held.length === end) {
        this.held = undefined;
        const start = frameHeaderBytes;
        const goesOn = handler.onFrame(
          typeOf(held, start),
          flagsOf(held, start),
          streamOf(held, start),
          held,
          start,
          end,
        );
        return goesOn ? at : chunk.length;
      }
      this.held = Buffer.allocUnsafe(end); // the header is complete: allocate the payload
      held.copy(this.held);
    }
  }
}

const lengthOf = (bytes: Buffer, at: number): number => {
  const length = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
  if (length > maxFrameBytes) throw new ConnectionError(http2ErrorCode.frameSize, "frame too large");
  return length;
};

const typeOf = (bytes: Buffer, start: number): number => bytes[start - 6] ?? 0;
const flagsOf = (bytes: Buffer, start: number): number => bytes[start - 5] ?? 0;
const streamOf = (bytes: Buffer, start: number): number => readUint32(bytes, start - 4) & 0x7f_ff_ff_ff;

/** Reads four bytes as an unsigned integer. */
export const readUint32 = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;

/** Writes four bytes. @returns the offset behind them */
export const writeUint32 = (bytes: Uint8Array, at: number, value: number): number => {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
  return at + 4;
};

/** Writes the header of a frame. @returns the offset of its payload */
export const writeFrameHeader = (
  bytes: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  stream: number,
): number => {
  bytes[at] = length >>> 16;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  return writeUint32(bytes, at + 5, stream);
};

/** Sets the length of a written frame: its header begins at `at`, its payload ends at `end`. */
export const writeFrameLength = (bytes: Uint8Array, at: number, end: number): void => {
  const length = end - at - frameHeaderBytes;
  bytes[at] = length >>> 16;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
};

/** Encodes a frame. */
export const frame = (type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array()): Buffer => {
  const bytes = Buffer.allocUnsafe(frameHeaderBytes + payload.length);
  writeFrameHeader(bytes, 0, payload.length, type, flags, stream);
  bytes.set(payload, frameHeaderBytes);
  return bytes;
};

/** Encodes a SETTINGS frame (RFC 9113 §6.5). */
export const settingsFrame = (settings: readonly (readonly [id: number, value: number])[]): Buffer => {
  const payload = Buffer.alloc(settings.length * 6);
  for (const [n, [id, value]] of settings.entries()) {
    payload.writeUInt16BE(id, n * 6);
    payload.writeUInt32BE(value, n * 6 + 2);
  }
  return frame(frameType.settings, 0, 0, payload);
};

/** Encodes a GOAWAY frame (RFC 9113 §6.8): no stream after `lastStream` was or will be served. */
export const goAwayFrame = (lastStream: number, error: number, text: string): Buffer => {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(lastStream, 0);
  payload.writeUInt32BE(error, 4);
  return frame(frameType.goAway, 0, 0, Buffer.concat([payload, Buffer.from(text, "latin1")]));
};

/** Encodes a frame with one number as payload: RST_STREAM, WINDOW_UPDATE. */
export const numberFrame = (type: number, stream: number, value: number): Buffer => {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32BE(value, 0);
  return frame(type, 0, stream, payload);
};

import type { Socket } from "node:net";
import { crc32 } from "node:zlib";

// A frame between members: payload length (4 bytes, big-endian), crc32 of the payload (4 bytes), payload. TCP's own checksum
// misses about one error in 65 536; a log entry must not be altered in transit.

/** The size of a frame's header. */
export const peerFrameHeaderBytes = 8;

/** An error for bytes that are not valid frames: the connection must be closed. */
export class FrameError extends Error {
  override readonly name = "FrameError";

  /** @param header the header of the invalid frame */
  constructor(
    message: string,
    readonly header?: Buffer,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Returns the header of a frame with `payload`. */
export const frameHeader = (payload: Uint8Array): Buffer => {
  const header = Buffer.allocUnsafe(peerFrameHeaderBytes);
  putNumber(header, 0, payload.length);
  putNumber(header, 4, crc32(payload));
  return header;
};

/** Writes the header at the beginning of `first`, for a payload that is the rest of `first` and `rest`. */
export const fillFrameHeader = (first: Uint8Array, rest: readonly Uint8Array[]): void => {
  let length = first.length - peerFrameHeaderBytes;
  let checksum = crc32(first.subarray(peerFrameHeaderBytes));
  for (const piece of rest) {
    length += piece.length;
    checksum = crc32(piece, checksum);
  }
  putNumber(first, 0, length);
  putNumber(first, 4, checksum);
};

/** Writes 32 bits, big-endian, without allocating a `DataView` or a `Buffer`. */
const putNumber = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
};

/** Writes `payloads`, each as a frame, with one system call. */
export const writeFrames = (socket: Socket, payloads: readonly Uint8Array[]): void => {
  socket.cork();
  for (const payload of payloads) {
    socket.write(frameHeader(payload));
    socket.write(payload);
  }
  socket.uncork();
};

/** Divides a byte stream into frames. Memory is used for received bytes, not for the length that a header announces. */
export class PeerFrameReader {
  private chunks: Buffer[] = [];
  private buffered = 0;
  private wanted = peerFrameHeaderBytes;

  constructor(private maxPayloadBytes: number) {}

  /** Sets the largest payload; it grows once the other side is known. */
  setMaxPayload(maxPayloadBytes: number): void {
    this.maxPayloadBytes = maxPayloadBytes;
  }

  /**
   * Adds received bytes and passes on each complete payload. Payloads share memory with `chunk`.
   *
   * @throws FrameError for a frame that is too large or whose checksum is wrong
   */
  push(chunk: Buffer, onPayload: (payload: Buffer) => void): void {
    this.chunks.push(chunk);
    this.buffered += chunk.length;
    while (this.buffered >= this.wanted) {
      const gathered = this.chunks.length === 1 && this.chunks[0] ? this.chunks[0] : Buffer.concat(this.chunks);
      this.chunks = [];
      this.buffered = 0;
      const rest = this.readFrames(gathered, onPayload);
      if (rest.length > 0) this.chunks.push(rest);
      this.buffered = rest.length;
    }
  }

  /** Passes on the complete frames at the start of `bytes`, and returns the rest. */
  private readFrames(bytes: Buffer, onPayload: (payload: Buffer) => void): Buffer {
    let offset = 0;
    for (;;) {
      const available = bytes.length - offset;
      this.wanted = peerFrameHeaderBytes;
      if (available < peerFrameHeaderBytes) return bytes.subarray(offset);
      const length = bytes.readUInt32BE(offset);
      if (length > this.maxPayloadBytes)
        throw new FrameError(
          `cannot take a frame of ${length} bytes: at most ${this.maxPayloadBytes} are allowed`,
          bytes.subarray(offset, offset + peerFrameHeaderBytes),
        );
      this.wanted = peerFrameHeaderBytes + length;
      if (available < this.wanted) return bytes.subarray(offset);
      const payload = bytes.subarray(offset + peerFrameHeaderBytes, offset + this.wanted);
      if (crc32(payload) !== bytes.readUInt32BE(offset + 4)) throw new FrameError("frame with a wrong checksum");
      offset += this.wanted;
      onPayload(payload);
    }
  }
}

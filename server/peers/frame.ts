import type { Socket } from "node:net";
import { crc32 } from "node:zlib";

// A frame between members: payload length (4 bytes, big-endian), crc32 of the payload (4 bytes), payload.
// TCP's own checksum misses about one error in 65 536; a log entry must not be altered on its way.

const headerBytes = 8;

/** The connection carries something else than frames, or damaged ones: it has to be closed. */
export class FrameError extends Error {
  override readonly name = "FrameError";

  /** @param header of a frame that cannot be one of ours */
  constructor(
    message: string,
    readonly header?: Buffer,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The header that goes before `payload`. */
export const frameHeader = (payload: Uint8Array): Buffer => {
  const header = Buffer.allocUnsafe(headerBytes);
  header.writeUInt32BE(payload.length, 0);
  header.writeUInt32BE(crc32(payload), 4);
  return header;
};

/** Sends `payloads`, each as a frame: one system call for all of them. */
export const writeFrames = (socket: Socket, payloads: readonly Uint8Array[]): void => {
  socket.cork();
  for (const payload of payloads) {
    socket.write(frameHeader(payload));
    socket.write(payload);
  }
  socket.uncork();
};

/** Cuts a byte stream into frames. Memory is used for bytes that came, not for what a header announces. */
export class FrameReader {
  private chunks: Buffer[] = [];
  private buffered = 0;
  private wanted = headerBytes;

  constructor(private maxPayloadBytes: number) {}

  /** Once the other side has said who it is, it may send more at a time. */
  setMaxPayload(maxPayloadBytes: number): void {
    this.maxPayloadBytes = maxPayloadBytes;
  }

  /**
   * Takes what came and hands out each payload that is complete. Payloads share memory with what came.
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

  /** Hands out the whole frames at the start of `bytes`; returns the rest and remembers how much it needs. */
  private readFrames(bytes: Buffer, onPayload: (payload: Buffer) => void): Buffer {
    let offset = 0;
    for (;;) {
      const available = bytes.length - offset;
      this.wanted = headerBytes;
      if (available < headerBytes) return bytes.subarray(offset);
      const length = bytes.readUInt32BE(offset);
      if (length > this.maxPayloadBytes)
        throw new FrameError(
          `cannot take a frame of ${length} bytes: at most ${this.maxPayloadBytes} are allowed`,
          bytes.subarray(offset, offset + headerBytes),
        );
      this.wanted = headerBytes + length;
      if (available < this.wanted) return bytes.subarray(offset);
      const payload = bytes.subarray(offset + headerBytes, offset + this.wanted);
      if (crc32(payload) !== bytes.readUInt32BE(offset + 4)) throw new FrameError("frame with a wrong checksum");
      offset += this.wanted;
      onPayload(payload);
    }
  }
}

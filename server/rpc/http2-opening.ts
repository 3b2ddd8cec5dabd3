import type { Socket } from "node:net";
import { amendAuthority } from "./hpack-authority.js";

// Node's HTTP/2 ends a request whose `:authority` is not `host:port` (RFC 9113 §8.3.1). Go's gRPC sends the endpoint as it
// was configured, `http://host:port` for `etcdctl --endpoints=http://…`, and Go's servers let that pass. So the first
// request of a connection is looked at before the connection is handed on: in its header block, "http://" at the start
// of an `:authority` becomes "http:--", which Node takes (nobody here reads it). That one place is enough: the value
// enters HPACK's dynamic table there, and later requests of the connection refer to it.

/** The 24 bytes with which every HTTP/2 connection begins (RFC 9113 §3.4). */
export const http2Preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

const frameHeaderBytes = 9;
const frameType = { headers: 1, settings: 4, windowUpdate: 8 } as const;
const ackFlag = 1;
const paddedFlag = 0x8;
const priorityFlag = 0x20;

/** An empty SETTINGS frame: every value is the default. Some clients send no request before they have the server's. */
const emptySettings = Buffer.from([0, 0, 0, frameType.settings, 0, 0, 0, 0, 0]);

/** More than this before the first request is complete: the connection is handed on as it is. */
const maxOpeningBytes = 64 * 1024;
/**
 * More than this without an answer to our SETTINGS: the connection is closed. A client that has not seen them may send 64 KiB of
 * data and its headers (RFC 9113 §6.9.2).
 */
const maxUnacknowledgedBytes = 256 * 1024;

/**
 * Reads the opening of an HTTP/2 connection up to its first request, then hands back everything that came, with the
 * `:authority` made acceptable.
 *
 * @param seen what was read already: the preface and what follows
 * @param onOpened called once, with the bytes to give back to the socket
 */
export const readOpening = (socket: Socket, seen: Buffer, onOpened: (bytes: Buffer) => void): void => {
  const opening = new Opening(seen);
  const advance = (): void => {
    const step = opening.read();
    if (step === "greet") socket.write(emptySettings);
    if (step === "refuse") socket.destroy();
    if (step !== "done") return;
    socket.removeListener("readable", onReadable);
    onOpened(opening.bytes);
  };
  const onReadable = (): void => {
    const bytes = socket.read() as Buffer | null;
    if (bytes === null) return;
    opening.push(bytes);
    advance();
  };
  socket.on("readable", onReadable);
  advance();
};

/** What has come of a connection, read frame by frame. Decides; does nothing. */
export class Opening {
  bytes: Buffer;
  private offset = http2Preface.length;
  /** Our SETTINGS were sent: the client's answer to them is not for whoever takes the connection over. */
  private greeted = false;
  private acknowledged = false;
  private settled = false;

  constructor(seen: Buffer) {
    this.bytes = seen;
  }

  push(bytes: Buffer): void {
    this.bytes = Buffer.concat([this.bytes, bytes]);
  }

  /**
   * `greet`: send the server's SETTINGS, the client waits for them. `done`: the connection can be handed on. `refuse`: it never
   * will be.
   */
  read(): "more" | "greet" | "done" | "refuse" {
    while (this.frameIsWhole()) this.readFrame();
    if (this.bytes.length > maxOpeningBytes) this.settled = true;
    if (this.settled && (!this.greeted || this.acknowledged)) return "done";
    if (this.bytes.length > maxUnacknowledgedBytes) return "refuse";
    if (this.greeted || this.settled || this.offset === http2Preface.length) return "more";
    this.greeted = true;
    return "greet";
  }

  private frameIsWhole(): boolean {
    const { bytes, offset } = this;
    if (this.settled && (!this.greeted || this.acknowledged)) return false;
    return (
      bytes.length >= offset + frameHeaderBytes &&
      bytes.length >= offset + frameHeaderBytes + bytes.readUIntBE(offset, 3)
    );
  }

  private readFrame(): void {
    const start = this.offset;
    const end = start + frameHeaderBytes + this.bytes.readUIntBE(start, 3);
    const type = this.bytes[start + 3];
    const flags = this.bytes[start + 4] ?? 0;
    this.offset = end;
    if (type === frameType.settings) {
      if ((flags & ackFlag) === 0 || !this.greeted || this.acknowledged) return;
      this.acknowledged = true;
      this.bytes = Buffer.concat([this.bytes.subarray(0, start), this.bytes.subarray(end)]);
      this.offset = start;
      return;
    }
    if (type === frameType.windowUpdate || this.settled) return;
    this.settled = true; // the first request, or something unexpected that is not for us to judge
    if (type === frameType.headers) amendAuthority(headerBlock(this.bytes.subarray(start, end), flags));
  }
}

/** The header block fragment of a HEADERS frame (RFC 9113 §6.2). */
const headerBlock = (frame: Buffer, flags: number): Buffer => {
  const padded = (flags & paddedFlag) !== 0;
  const start = frameHeaderBytes + (padded ? 1 : 0) + ((flags & priorityFlag) === 0 ? 0 : 5);
  const padding = padded ? (frame[frameHeaderBytes] ?? 0) : 0;
  return frame.subarray(start, Math.max(start, frame.length - padding));
};

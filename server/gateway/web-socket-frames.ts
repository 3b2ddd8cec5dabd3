// WebSocket (RFC 6455), the server's side: as much as etcd's gateway needs.

import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** Whether a request asks for a WebSocket. */
export const asksForWebSocket = ({ headers }: IncomingMessage): boolean =>
  headers.upgrade?.toLowerCase() === "websocket" && headers["sec-websocket-version"] === "13" && isKey(headers);

const isKey = ({ "sec-websocket-key": key }: IncomingMessage["headers"]): boolean =>
  key !== undefined && /^[A-Za-z0-9+/]{22}==$/.test(key);

/** Returns the head of the answer that agrees to a WebSocket. `Bearer` is the one protocol: a token follows it. */
export const upgradeHead = ({ headers }: IncomingMessage): string => {
  const accept = createHash("sha1")
    .update(`${headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
  const protocol = headers["sec-websocket-protocol"]?.startsWith("Bearer") ? "Sec-WebSocket-Protocol: Bearer\r\n" : "";
  return (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    `Sec-WebSocket-Accept: ${accept}\r\n${protocol}\r\n`
  );
};

const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const maxControlBytes = 125;

/** Makes a frame of the server. */
export const frame = (kind: "text" | "close" | "pong", payload: Buffer): Buffer => {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = 0x80 | opcode[kind];
  if (head.length === 2) head[1] = length;
  else if (head.length === 4) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, payload]);
};

/** Takes what frames say. */
export interface FrameSink {
  /** Takes a piece of a message. */
  onPiece(piece: Buffer): void;
  onMessageEnd(): void;
  onPing(payload: Buffer): void;
  onClose(): void;
  /** The client breaks the protocol: nothing more is read. */
  onBroken(): void;
}

/** Reads the frames of a client, of whose messages nothing is kept. */
export class FrameReader {
  /** The head of a frame, or a whole control frame, of which something is missing. */
  private pending = Buffer.alloc(0);
  private left = 0;
  private mask = Buffer.alloc(4);
  private masked = 0;
  private isLast = false;
  private isWithinMessage = false;
  private isOver = false;

  constructor(private readonly sink: FrameSink) {}

  push(bytes: Buffer): void {
    let rest = this.left > 0 ? this.payload(bytes) : bytes;
    rest = this.pending.length > 0 ? Buffer.concat([this.pending, rest]) : rest;
    while (rest.length > 0 && !this.isOver) {
      const after = this.frame(rest);
      if (after === undefined) break;
      rest = after;
    }
    this.pending = Buffer.from(rest); // at most a head and 125 bytes
  }

  /** Reads a frame, or the beginning of its payload. @returns the rest; undefined: more has to come before */
  private frame(bytes: Buffer): Buffer | undefined {
    const [first = 0, second] = bytes;
    if (second === undefined) return undefined;
    const kind = first & 0x0f;
    const isControl = kind >= opcode.close;
    const short = second & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (this.isBroken(first, second)) {
      this.broken();
      return undefined;
    }
    const start = 2 + lengthBytes + 4;
    if (bytes.length < start) return undefined;
    const length =
      lengthBytes === 0 ? short : lengthBytes === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    if (isControl && bytes.length < start + length) return undefined;
    this.mask = Buffer.from(bytes.subarray(start - 4, start));
    this.masked = 0;
    if (isControl) {
      this.control(kind, this.unmasked(bytes.subarray(start, start + length)));
      return bytes.subarray(start + length);
    }
    this.isLast = (first & 0x80) !== 0;
    this.isWithinMessage = !this.isLast;
    this.left = length;
    if (length === 0) this.endFrame();
    return length === 0 ? bytes.subarray(start) : this.payload(bytes.subarray(start));
  }

  private isBroken(first: number, second: number): boolean {
    const kind = first & 0x0f;
    const isMasked = (second & 0x80) !== 0;
    if ((first & 0x70) !== 0 || !isMasked) return true;
    if (kind >= opcode.close) return kind > opcode.pong || (first & 0x80) === 0 || (second & 0x7f) > maxControlBytes;
    return kind > opcode.binary || (kind === opcode.continuation) !== this.isWithinMessage;
  }

  private broken(): void {
    this.isOver = true;
    this.sink.onBroken();
  }

  private payload(bytes: Buffer): Buffer {
    const piece = bytes.subarray(0, this.left);
    this.left -= piece.length;
    this.sink.onPiece(this.unmasked(piece));
    if (this.left === 0) this.endFrame();
    return bytes.subarray(piece.length);
  }

  private endFrame(): void {
    if (this.isLast) this.sink.onMessageEnd();
  }

  private unmasked(bytes: Buffer): Buffer {
    const plain = Buffer.allocUnsafe(bytes.length);
    for (let at = 0; at < bytes.length; at++) plain[at] = (bytes[at] ?? 0) ^ (this.mask[this.masked++ & 3] ?? 0);
    return plain;
  }

  private control(kind: number, payload: Buffer): void {
    if (kind === opcode.ping) this.sink.onPing(payload);
    if (kind !== opcode.close) return;
    this.isOver = true;
    this.sink.onClose();
  }
}

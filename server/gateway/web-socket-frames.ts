// The server's side of WebSocket (RFC 6455), as far as etcd's gateway needs it.

import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** Whether a request is one for a WebSocket. */
export const isWebSocketRequest = ({ headers: { upgrade, connection } }: IncomingMessage): boolean =>
  upgrade?.toLowerCase() === "websocket" && /(?:^|[\s,])upgrade(?:$|[\s,])/i.test(connection ?? "");

/** Returns the HTTP status that refuses a request for a WebSocket; undefined: it is valid. */
export const webSocketRefusal = ({ method, headers }: IncomingMessage): 400 | 405 | undefined => {
  if (method !== "GET") return 405;
  return headers["sec-websocket-version"] === "13" && isKey(headers) ? undefined : 400;
};

const isKey = ({ "sec-websocket-key": key }: IncomingMessage["headers"]): boolean =>
  key !== undefined && /^[A-Za-z0-9+/]{22}==$/.test(key);

/** Returns the head of the answer that accepts a WebSocket. `Bearer` is the only protocol; a token follows it. */
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
/** RFC 6455 §5.2 allows lengths up to 2^63-1; a length beyond 2^53-1 is refused. */
const maxFrameBytes = Number.MAX_SAFE_INTEGER;

/** Encodes a frame of the server. */
export const encodeWebSocketFrame = (kind: "text" | "close" | "pong", payload: Buffer): Buffer => {
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

/** Close codes of RFC 6455 §7.4.1. */
const closeCodes = { protocolError: 1002, first: 3_000, last: 4_999 } as const;
/** Codes below 3000 that an endpoint may send. */
const sendableCodes: ReadonlySet<number> = new Set([
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013],
]);
const isSendable = (code: number): boolean =>
  sendableCodes.has(code) || (code >= closeCodes.first && code <= closeCodes.last);

/** Encodes the payload of a close frame. @param code undefined: none */
export const closePayload = (code?: number, reason = ""): Buffer => {
  if (code === undefined) return Buffer.alloc(0);
  const payload = Buffer.from(`..${reason}`).subarray(0, maxControlBytes);
  payload.writeUInt16BE(code, 0);
  return payload;
};

/** Handles the content of frames. */
export interface FrameSink {
  /** Handles a piece of a message. */
  onPiece(piece: Buffer): void;
  onMessageEnd(): void;
  onPing(payload: Buffer): void;
  /** Called once; the reader reads no further frame. @param answer the payload of the close frame to answer with */
  onClose(answer: Buffer): void;
}

/** Reads the frames of a client; messages are passed on in pieces and not stored. */
export class WebSocketFrameReader {
  /** An incomplete head of a frame, or an incomplete control frame. */
  private pending = Buffer.alloc(0);
  private left = 0;
  private mask = Buffer.alloc(4);
  private masked = 0;
  private isLast = false;
  private isWithinMessage = false;
  private isOver = false;

  constructor(private readonly sink: FrameSink) {}

  push(bytes: Buffer): void {
    if (!this.isOver) this.read(bytes);
  }

  private read(bytes: Buffer): void {
    let rest = this.left > 0 ? this.payload(bytes) : bytes;
    rest = this.pending.length > 0 ? Buffer.concat([this.pending, rest]) : rest;
    while (rest.length > 0 && !this.isOver) {
      const after = this.frame(rest);
      if (after === undefined) break;
      rest = after;
    }
    this.pending = Buffer.from(rest); // at most a head and 125 bytes
  }

  /** Reads a frame, or the beginning of its payload. @returns the rest; undefined: the frame is incomplete */
  private frame(bytes: Buffer): Buffer | undefined {
    const [first = 0, second] = bytes;
    if (second === undefined) return undefined;
    const kind = first & 0x0f;
    const isControl = kind >= opcode.close;
    const short = second & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const fault = this.faultOf(first, second);
    if (fault !== "") {
      this.closeWithFault(fault);
      return undefined;
    }
    const start = 2 + lengthBytes + 4;
    if (bytes.length < start) return undefined;
    const length =
      lengthBytes === 0 ? short : lengthBytes === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    if (length > maxFrameBytes) {
      this.closeWithFault("frame too long");
      return undefined;
    }
    if (isControl && bytes.length < start + length) return undefined;
    this.mask = Buffer.from(bytes.subarray(start - 4, start));
    this.masked = 0;
    if (isControl) {
      this.control(kind, this.unmask(bytes.subarray(start, start + length)));
      return bytes.subarray(start + length);
    }
    this.isLast = (first & 0x80) !== 0;
    this.isWithinMessage = !this.isLast;
    this.left = length;
    if (length === 0) this.endFrame();
    return length === 0 ? bytes.subarray(start) : this.payload(bytes.subarray(start));
  }

  /** Returns the protocol violation in the head of a frame, with the text of etcd's gateway; empty: none. */
  private faultOf(first: number, second: number): string {
    const kind = first & 0x0f;
    const isFinal = (first & 0x80) !== 0;
    const isControl = kind >= opcode.close;
    const isKnown = isControl ? kind <= opcode.pong : kind <= opcode.binary;
    const faults: [boolean, string][] = [
      [(first & 0x40) !== 0, "RSV1 set"],
      [(first & 0x20) !== 0, "RSV2 set"],
      [(first & 0x10) !== 0, "RSV3 set"],
      [isKnown && isControl && (second & 0x7f) > maxControlBytes, "len > 125 for control"],
      [isKnown && isControl && !isFinal, "FIN not set on control"],
      [isKnown && !isControl && kind !== opcode.continuation && this.isWithinMessage, "data before FIN"],
      [kind === opcode.continuation && !this.isWithinMessage, "continuation after FIN"],
      [!isKnown, `bad opcode ${kind}`],
      [(second & 0x80) === 0, "bad MASK"],
    ];
    return faults.flatMap(([isThere, fault]) => (isThere ? [fault] : [])).join(", ");
  }

  private closeWithFault(fault: string): void {
    this.close(closePayload(closeCodes.protocolError, fault));
  }

  private close(answer: Buffer): void {
    this.isOver = true;
    this.sink.onClose(answer);
  }

  private payload(bytes: Buffer): Buffer {
    const piece = bytes.subarray(0, this.left);
    this.left -= piece.length;
    this.sink.onPiece(this.unmask(piece));
    if (this.left === 0) this.endFrame();
    return bytes.subarray(piece.length);
  }

  private endFrame(): void {
    if (this.isLast) this.sink.onMessageEnd();
  }

  private unmask(bytes: Buffer): Buffer {
    const plain = Buffer.allocUnsafe(bytes.length);
    for (let at = 0; at < bytes.length; at++) plain[at] = (bytes[at] ?? 0) ^ (this.mask[this.masked++ & 3] ?? 0);
    return plain;
  }

  private control(kind: number, payload: Buffer): void {
    if (kind === opcode.ping) this.sink.onPing(payload);
    if (kind !== opcode.close) return;
    const code = payload.length < 2 ? undefined : payload.readUInt16BE(0);
    if (code !== undefined && !isSendable(code)) this.closeWithFault(`bad close code ${code}`);
    else if (!isUtf8(payload.subarray(2))) this.closeWithFault("invalid utf8 payload in close frame");
    else this.close(closePayload(code));
  }
}

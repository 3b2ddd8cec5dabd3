import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type AnswerAccount, remoteAddressOf } from "../base/index.js";
import type { ClientSide } from "./client-side.js";
import type { GatewayCall } from "./gateway-call.js";
import { closePayload, encodeWebSocketFrame, WebSocketFrameReader, type FrameSink } from "./web-socket-frames.js";

const lineEnd = Buffer.from("\n");
/** The maximum number of untaken bytes of answers to pings; beyond, the connection is closed. */
const maxPongBytes = 64 * 1024;
/** The time for a client to read the end of its answers and to close its side, in milliseconds. */
const lingerMs = 5_000;

/** The client of a WebSocket: each of its messages is a piece of the body, each line of the answer a text message. */
export class WebSocketClientSide implements ClientSide, FrameSink {
  readonly headers: IncomingHttpHeaders;
  readonly remoteAddress: string | undefined;
  readonly endsBody = false;
  private readonly reader = new WebSocketFrameReader(this);
  private call: GatewayCall | undefined;
  private isClosed = false;

  constructor(
    request: IncomingMessage,
    private readonly socket: Duplex,
    readonly account: AnswerAccount,
  ) {
    this.headers = { authorization: tokenOf(request.headers) };
    this.remoteAddress = remoteAddressOf(request.socket);
  }

  /** Passes all frames to the call; `seen` has the bytes that were read already. */
  serve(call: GatewayCall, seen: Buffer): void {
    this.call = call;
    this.socket.on("close", () => call.onGone());
    if (this.socket.destroyed) call.onGone();
    this.reader.push(seen);
    this.socket.on("data", (bytes: Buffer) => this.reader.push(bytes));
    this.socket.on("end", () => this.destroy());
  }

  answer(
    _httpStatus: number,
    _fields: Readonly<Record<string, string>>,
    pieces: readonly string[],
    onTaken: () => void,
  ): void {
    this.write(pieces.join(""), onTaken);
    this.endAnswer();
  }

  beginAnswer(): void {
    // a WebSocket has no HTTP status
  }

  write(line: string, onTaken: () => void): void {
    if (!this.isClosed) this.socket.write(encodeWebSocketFrame("text", Buffer.from(line.replace(/\n$/, ""))), onTaken);
  }

  endAnswer(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.socket.end(encodeWebSocketFrame("close", closePayload()));
    const late = setTimeout(() => this.socket.destroy(), lingerMs);
    this.socket.once("close", () => clearTimeout(late));
  }

  destroy(): void {
    this.isClosed = true;
    this.socket.destroy();
  }

  onPiece(piece: Buffer): void {
    this.call?.onBody(piece);
  }

  onMessageEnd(): void {
    this.call?.onBody(lineEnd);
  }

  onPing(payload: Buffer): void {
    if (this.socket.writableLength > maxPongBytes) this.destroy();
    else if (!this.isClosed) this.socket.write(encodeWebSocketFrame("pong", payload));
  }

  onClose(answer: Buffer): void {
    this.call?.onGone();
    if (this.isClosed) return;
    this.isClosed = true;
    // The server closes the connection (RFC 6455 §7.1.1): a client that violates the protocol might not.
    this.socket.end(encodeWebSocketFrame("close", answer), () => this.socket.destroy());
  }
}

/**
 * Returns the field Authorization. The token is in `Sec-WebSocket-Protocol: Bearer, TOKEN` or in a cookie, as a browser can set
 * no other field. A protocol without a token means an empty token, as in etcd.
 */
const tokenOf = ({ cookie, "sec-websocket-protocol": protocol = "" }: IncomingHttpHeaders): string | undefined => {
  const fromCookie = /(?:^|;\s*)token=([^;]*)/.exec(cookie ?? "")?.[1];
  if (fromCookie !== undefined) return `Bearer ${fromCookie}`;
  if (protocol === "") return undefined;
  const token = /Bearer, *(.*?) *$/.exec(protocol)?.[1];
  return token === undefined ? "" : `Bearer ${token}`;
};

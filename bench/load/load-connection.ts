// A connection for loads: gRPC over node:net with the HTTP/2 frames of server/net. A request costs a few microseconds, so that the
// benchmark measures the servers and not their client; a client for applications takes ten times as much.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import {
  frame,
  type FrameHandler,
  frameFlag,
  FrameReader,
  frameType,
  numberFrame,
  preface,
  readUint32,
  setting,
  settingsFrame,
} from "../../server/net/http2/frames.js";
import { HpackDecoder } from "../../server/net/http2/hpack-decoder.js";
import { LiteralCache } from "../../server/net/http2/literal-cache.js";
import { RequestHeads } from "./request-heads.js";

/** Receives the answer to a call. */
export interface CallListener {
  /** Receives a message, which is valid during the call. */
  readonly onMessage?: (message: Buffer) => void;
  /** Reports the end. @param status the gRPC status; "0": the call succeeded */
  readonly onEnd: (status: string) => void;
}

interface Call extends CallListener {
  /** The bytes of an incomplete message. */
  held: Buffer | undefined;
  sendWindow: number;
}

/** Data that waits for a window of the server. */
interface Waiting {
  readonly stream: number;
  readonly isLast: boolean;
  bytes: Buffer;
}

const maxWindow = 2 ** 31 - 1;
const defaultWindow = 65_535;
const maxDataBytes = 16_384;
const prefixBytes = 5;

/** Returns a message with gRPC's prefix: not compressed, length. */
export const frameMessage = (message: Uint8Array): Buffer => {
  const bytes = Buffer.alloc(prefixBytes + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, prefixBytes);
  return bytes;
};

/** A connection to one server, for many calls at a time. */
export class LoadConnection implements FrameHandler, AsyncDisposable {
  private readonly reader = new FrameReader();
  private readonly decoder = new HpackDecoder(new LiteralCache());
  private readonly calls = new Map<number, Call>();
  private readonly heads: RequestHeads;
  private nextStream = 1;
  private sendWindow = defaultWindow;
  private streamWindow = defaultWindow;
  private readonly waiting: Waiting[] = [];
  private readonly output: Buffer[] = [];
  /** The bytes received since the last window update for the connection. */
  private received = 0;

  private constructor(
    private readonly socket: Socket,
    authority: string,
    token: string | undefined,
  ) {
    this.heads = new RequestHeads(authority, token);
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      this.reader.push(chunk, this);
    });
    socket.on("error", () => undefined); // "close" follows
    socket.on("close", () => this.fail("the connection has ended"));
    this.write(preface);
    this.write(settingsFrame([[setting.initialWindowSize, maxWindow]]));
    this.write(numberFrame(frameType.windowUpdate, 0, maxWindow - defaultWindow));
  }

  /**
   * Opens a connection.
   *
   * @param endpoint `host:port`, `unix:path`, or `https://host:port`; the certificate is not checked
   * @param token of a login; undefined: requests have none
   */
  static async open(endpoint: string, token?: string): Promise<LoadConnection> {
    if (endpoint.startsWith("https://")) return LoadConnection.openTls(endpoint.slice("https://".length), token);
    const [host = "", port = ""] = endpoint.split(":");
    const socket = host === "unix" ? connect(port) : connect(Number(port), host);
    await once(socket, "connect");
    return new LoadConnection(socket, endpoint, token);
  }

  private static async openTls(address: string, token: string | undefined): Promise<LoadConnection> {
    const [host = "", port = ""] = address.split(":");
    const socket = connectTls({ host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ["h2"] });
    await once(socket, "secureConnect");
    return new LoadConnection(socket, address, token);
  }

  /**
   * Begins a unary call.
   *
   * @param message framed
   */
  callUnary(path: string, message: Buffer, listener: CallListener): void {
    this.send(this.open(path, listener), message, true);
  }

  /** Begins a stream. @returns a function that sends a framed message */
  openStream(path: string, listener: CallListener): (message: Buffer) => void {
    const stream = this.open(path, listener);
    return (message) => this.send(stream, message, false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.calls.clear();
    if (this.socket.closed) return;
    const closed = once(this.socket, "close");
    this.socket.destroy();
    await closed;
  }

  onFrame(type: number, flags: number, stream: number, bytes: Buffer, start: number, end: number): boolean {
    switch (type) {
      case frameType.data:
        this.onData(stream, bytes, start, end);
        break;
      case frameType.headers:
        this.onHeaders(flags, stream, bytes, start, end);
        break;
      case frameType.settings:
        if ((flags & frameFlag.ack) === 0) this.onSettings(bytes, start, end);
        break;
      case frameType.ping:
        if ((flags & frameFlag.ack) === 0)
          this.write(frame(frameType.ping, frameFlag.ack, 0, Buffer.from(bytes.subarray(start, end))));
        break;
      case frameType.windowUpdate:
        this.onWindow(stream, readUint32(bytes, start));
        break;
      case frameType.resetStream:
        this.end(stream, "reset");
        break;
      case frameType.goAway:
        this.fail("the server is going away");
        break;
    }
    return true;
  }

  private open(path: string, listener: CallListener): number {
    const stream = this.nextStream;
    this.nextStream += 2;
    this.calls.set(stream, { ...listener, held: undefined, sendWindow: this.streamWindow });
    this.write(frame(frameType.headers, frameFlag.endHeaders, stream, this.heads.encode(path)));
    return stream;
  }

  private send(stream: number, bytes: Buffer, isLast: boolean): void {
    this.waiting.push({ stream, isLast, bytes });
    this.sendWaiting();
  }

  /** Sends as much as the windows allow, in order: a stream without a window delays the streams after it. */
  private sendWaiting(): void {
    for (let first = this.waiting[0]; first !== undefined; first = this.waiting[0]) {
      const call = this.calls.get(first.stream);
      if (call !== undefined) {
        const length = Math.min(first.bytes.length, maxDataBytes, this.sendWindow, call.sendWindow);
        if (length <= 0) return;
        const isEnd = first.isLast && length === first.bytes.length;
        this.write(
          frame(frameType.data, isEnd ? frameFlag.endStream : 0, first.stream, first.bytes.subarray(0, length)),
        );
        this.sendWindow -= length;
        call.sendWindow -= length;
        first.bytes = first.bytes.subarray(length);
      }
      if (call === undefined || first.bytes.length === 0) this.waiting.shift();
    }
  }

  private onData(stream: number, bytes: Buffer, start: number, end: number): void {
    this.received += end - start;
    if (this.received > maxWindow / 2) {
      this.write(numberFrame(frameType.windowUpdate, 0, this.received));
      this.received = 0;
    }
    const call = this.calls.get(stream);
    if (call?.onMessage === undefined) return;
    const all = call.held === undefined ? bytes : Buffer.concat([call.held, bytes.subarray(start, end)]);
    const to = call.held === undefined ? end : all.length;
    let at = call.held === undefined ? start : 0;
    while (to - at >= prefixBytes && to - at >= prefixBytes + all.readUInt32BE(at + 1)) {
      const length = all.readUInt32BE(at + 1);
      call.onMessage(all.subarray(at + prefixBytes, at + prefixBytes + length));
      at += prefixBytes + length;
    }
    call.held = at === to ? undefined : Buffer.from(all.subarray(at, to));
  }

  private onHeaders(flags: number, stream: number, bytes: Buffer, start: number, end: number): void {
    this.decoder.decode(bytes, start, end);
    if ((flags & frameFlag.endStream) === 0) return;
    this.end(stream, this.decoder.fields.find(({ name }) => name === "grpc-status")?.value ?? "none");
  }

  private onSettings(bytes: Buffer, start: number, end: number): void {
    for (let at = start; at + 6 <= end; at += 6)
      if (bytes.readUInt16BE(at) === setting.initialWindowSize) {
        const window = readUint32(bytes, at + 2);
        for (const call of this.calls.values()) call.sendWindow += window - this.streamWindow;
        this.streamWindow = window;
      }
    this.write(frame(frameType.settings, frameFlag.ack, 0));
    this.sendWaiting();
  }

  private onWindow(stream: number, bytes: number): void {
    const call = this.calls.get(stream);
    if (stream === 0) this.sendWindow += bytes;
    else if (call !== undefined) call.sendWindow += bytes;
    this.sendWaiting();
  }

  private end(stream: number, status: string): void {
    const call = this.calls.get(stream);
    this.calls.delete(stream);
    call?.onEnd(status);
  }

  private fail(status: string): void {
    for (const stream of [...this.calls.keys()]) this.end(stream, status);
  }

  /** Writes all frames of a turn of the event loop at once. */
  private write(bytes: Buffer): void {
    if (this.output.push(bytes) > 1) return;
    queueMicrotask(() => {
      const all = Buffer.concat(this.output);
      this.output.length = 0;
      this.socket.write(all);
    });
  }
}

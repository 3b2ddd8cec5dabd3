import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { Duplex } from "node:stream";
import { maxConnectionWithoutRequestMs } from "../limits.js";
import { amendAuthority } from "./hpack-authority.js";
import {
  encodeFrame,
  encodeGoAway,
  FrameCutter,
  frameHeaderBytes,
  frameFlag,
  frameType,
  headerBlockOf,
  http2Error,
  http2Preface,
  maxFrameBytes,
  type FrameHeader,
} from "./http2-frames.js";
import { PingPolicy } from "./ping-policy.js";
import { ResetQueue } from "./reset-queue.js";
import { StreamTable } from "./stream-table.js";

/** How long the last frames may take to leave, and the client to close, once the connection is over. */
const lingerMs = 1_000;

/** More bytes than this that Node has not taken: the socket is not read. */
const maxQueuedBytes = 64 * 1024;

/** Frames that begin a stream, and those that may be held up. */
const readWhole = new Set<number>([frameType.headers, frameType.continuation, frameType.resetStream]);

/**
 * A client's HTTP/2 connection on its way to Node, which reads and writes it as if it were the socket. Between the two:
 *
 * - `:authority` becomes one that Node accepts. Node ends a request whose `:authority` is not `host:port` (RFC 9113 §8.3.1). Go's
 *   gRPC sends the endpoint as it was configured, `http://host:port` or the path of a unix socket, and Go's servers let that pass.
 * - A request's headers reach Node in a tick of their own. Node tells of a new stream a tick after it has read its headers; were the frame that ends the
 *   stream read before that tick, the answer to the request would throw where nobody catches it.
 * - Resets reach Node at the rate that it takes.
 * - A client that pings too often, or that never begins a request, is sent a GOAWAY as etcd's would be, and its connection ends.
 */
export class Http2Connection extends Duplex {
  private readonly streams = new StreamTable();
  private readonly pings = new PingPolicy();
  private readonly resets = new ResetQueue(
    (stream) => this.streams.isOpen(stream),
    (stream, frame) => {
      this.streams.reset(stream);
      this.toNode(frame);
    },
  );
  private readonly fromClient = new FrameCutter({
    wantsWhole: ({ type, length }) => readWhole.has(type) && length <= maxFrameBytes,
    whole: (header, frame) => this.onWholeFrame(header, frame),
    begins: (header) => this.onFrame(header),
    bytes: (bytes) => this.toNode(bytes),
  });
  private readonly fromServer = new FrameCutter({
    wantsWhole: () => false,
    whole: () => undefined,
    begins: (header) => this.onServerFrame(header),
    bytes: () => undefined,
  });
  /** Bytes for Node in pieces, each handed on in a tick of its own: nothing follows the headers of a request in the same piece. */
  private readonly pieces: Buffer[][] = [];
  private lastPieceIsOpen = false;
  private queuedBytes = 0;
  private isWanted = false;
  private clientHasEnded = false;
  private resetTimer: NodeJS.Timeout | undefined;
  private firstRequestTimer: NodeJS.Timeout | undefined;
  /** The client was sent away: nothing of it is read any more. */
  private dismissed = false;

  /** @param seen what was read of the socket already: the preface and what follows */
  constructor(
    private readonly socket: Socket,
    seen: Buffer,
    withoutRequestMs = maxConnectionWithoutRequestMs,
  ) {
    super({ allowHalfOpen: true, readableHighWaterMark: 1 });
    this.firstRequestTimer = setTimeout(() => this.dismiss(http2Error.none, "no_request"), withoutRequestMs);
    this.toNode(seen.subarray(0, http2Preface.length));
    this.fromClient.push(seen.subarray(http2Preface.length));
    socket.on("data", (chunk: Buffer) => {
      if (this.dismissed) return;
      this.fromClient.push(chunk);
      this.handOn();
      if (this.queuedBytes > maxQueuedBytes) socket.pause();
    });
    socket.on("end", () => {
      this.clientHasEnded = true;
      this.handOn();
    });
    socket.on("close", () => this.destroy());
    socket.resume();
  }

  /** Bytes that have left for the client. */
  get bytesWritten(): number {
    return this.socket.bytesWritten;
  }

  override _read(): void {
    this.isWanted = true;
    // Called before Node gets the piece before this one: what that leads to in the next tick comes before the tick after it.
    process.nextTick(() => process.nextTick(() => this.handOn()));
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, written: (error?: Error | null) => void): void {
    this.toClient([chunk], written);
  }

  override _writev(
    chunks: { readonly chunk: Buffer; readonly encoding: BufferEncoding }[],
    written: (error?: Error | null) => void,
  ): void {
    this.toClient(
      chunks.map(({ chunk }) => chunk),
      written,
    );
  }

  override _final(ended: (error?: Error | null) => void): void {
    this.socket.end(() => ended());
  }

  override _destroy(error: Error | null, destroyed: (error?: Error | null) => void): void {
    clearTimeout(this.resetTimer);
    clearTimeout(this.firstRequestTimer);
    this.dismissed = true;
    if (!this.socket.destroyed) this.linger();
    destroyed(error);
  }

  /** Lets what was written leave and the client close; unread bytes would make the system discard the former. */
  private linger(): void {
    const { socket } = this;
    const timer = setTimeout(() => socket.destroy(), lingerMs);
    socket.once("close", () => clearTimeout(timer));
    socket.resume();
    socket.end();
  }

  private toNode(bytes: Buffer, endsPiece = false): void {
    if (!this.lastPieceIsOpen) this.pieces.push([]);
    this.pieces.at(-1)?.push(bytes);
    this.lastPieceIsOpen = !endsPiece;
    this.queuedBytes += bytes.length;
  }

  /** Gives Node one piece, if it has taken the one before. */
  private handOn(): void {
    if (!this.isWanted || this.dismissed) return;
    const piece = this.pieces.shift();
    if (piece !== undefined) {
      if (this.pieces.length === 0) this.lastPieceIsOpen = false;
      const bytes = piece.length === 1 && piece[0] ? piece[0] : Buffer.concat(piece);
      this.isWanted = false;
      this.queuedBytes -= bytes.length;
      this.push(bytes);
    } else if (this.clientHasEnded) this.push(null);
    else if (this.socket.isPaused()) this.socket.resume();
  }

  private toClient(chunks: readonly Buffer[], written: (error?: Error | null) => void): void {
    const last = chunks.length - 1;
    const done = (error?: Error | null): void => {
      if (!error) written(); // otherwise the socket closes, which ends everything
    };
    this.socket.cork();
    for (const [n, chunk] of chunks.entries()) {
      this.fromServer.push(chunk);
      this.socket.write(chunk, n === last ? done : undefined);
    }
    this.socket.uncork();
  }

  private onWholeFrame(header: FrameHeader, frame: Buffer): void {
    if (header.type === frameType.headers) this.onHeaders(header, frame);
    else if (header.type === frameType.resetStream) this.onReset(header, frame);
    else this.toNode(frame, true);
  }

  private onHeaders(header: FrameHeader, frame: Buffer): void {
    this.onFrame(header);
    const { start, end } = headerBlockOf(header.flags, frame);
    const block = frame.subarray(start, end);
    const amended = amendAuthority(block);
    const payload = [frame.subarray(frameHeaderBytes, start), amended, frame.subarray(end)];
    const isTooLarge = header.length + amended.length - block.length > maxFrameBytes;
    if (amended === block || isTooLarge) this.toNode(frame, true);
    else this.toNode(encodeFrame(header.type, header.flags, header.stream, Buffer.concat(payload)), true);
  }

  private onReset(header: FrameHeader, frame: Buffer): void {
    const { stream } = header;
    const isError = stream === 0 || stream > this.streams.newest || header.length !== 4;
    if (isError)
      this.toNode(frame); // Node judges it
    else if (this.resets.add(performance.now(), stream, frame)) this.runResets();
    else this.dismiss(http2Error.enhanceYourCalm, "too_many_resets");
  }

  private runResets(): void {
    clearTimeout(this.resetTimer);
    const waitMs = this.resets.run(performance.now());
    if (waitMs === undefined) return;
    this.resetTimer = setTimeout(() => {
      this.runResets();
      this.handOn();
    }, waitMs);
  }

  private onFrame({ type, flags, stream }: FrameHeader): void {
    if (type === frameType.headers) {
      clearTimeout(this.firstRequestTimer);
      this.streams.begin(stream);
    }
    if (isEndOfStream(type, flags)) this.streams.endOfClient(stream);
    if (type !== frameType.ping || (flags & frameFlag.ack) !== 0) return;
    if (this.pings.onPing(performance.now(), this.streams.hasOpenCalls))
      this.dismiss(http2Error.enhanceYourCalm, "too_many_pings");
  }

  private onServerFrame({ type, flags, stream }: FrameHeader): void {
    if (type === frameType.headers || type === frameType.data) this.pings.onSent();
    if (isEndOfStream(type, flags)) this.streams.endOfServer(stream);
    if (type === frameType.resetStream) this.streams.reset(stream);
    if (type === frameType.goAway) this.streams.freeze();
  }

  /** Ends the connection with a GOAWAY. A frame that was half written cannot be followed by one: then it just ends. */
  private dismiss(error: number, text: string): void {
    if (this.dismissed) return;
    this.dismissed = true;
    if (this.fromServer.isAtBoundary) this.socket.write(encodeGoAway(this.streams.newest, error, text));
    this.destroy();
  }
}

const isEndOfStream = (type: number, flags: number): boolean =>
  (type === frameType.headers || type === frameType.data) && (flags & frameFlag.endStream) !== 0;

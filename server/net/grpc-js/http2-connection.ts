import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { Duplex } from "node:stream";
import { certificateNameOf, maxConnectionWithoutRequestMs, remoteAddressOf } from "../../base/index.js";
import { sanitizeAuthority, hasContentLength } from "./hpack-authority.js";
import { frameHeaderBytes, frameFlag, frameType, http2ErrorCode, preface } from "../http2/index.js";
import {
  encodeFrame,
  encodeGoAway,
  FrameCutter,
  headerBlockOf,
  maxNodeFrameBytes,
  readHeader,
  type FrameHeader,
  type FrameVisitor,
} from "./http2-frames.js";
import { PingPolicy, type ConnectionRules } from "../engine/index.js";
import { NodeInput } from "./node-input.js";
import { ResetQueue } from "./reset-queue.js";
import { StreamTable } from "./stream-table.js";

/** The time for the last frames to leave, and for the client to close, once the connection is over, in milliseconds. */
const lingerMs = 1_000;

/** The bytes that Node has not read at which the socket is not read; see `NodeInput`. */
const maxQueuedBytes = 64 * 1024;

/** Frames that begin a stream, and those that may be delayed. */
const readWhole = new Set<number>([frameType.headers, frameType.continuation, frameType.resetStream]);

/** Inspects the headers of the frames that Node sends. */
class ServerFrames implements FrameVisitor {
  /** @param onFrame called at the beginning of each frame */
  constructor(private readonly onFrame: (header: FrameHeader) => void) {}

  shouldReadWhole(): boolean {
    return false;
  }

  onWhole(): void {
    return;
  }

  onBegin(header: FrameHeader): void {
    this.onFrame(header);
  }

  onBytes(): void {
    return;
  }
}

/**
 * A client's HTTP/2 connection, which Node reads and writes as if it were the socket. Between the two:
 *
 * - `:authority` is changed to one that Node accepts. Node ends a request whose `:authority` is not `host:port` (RFC
 *   9113 §8.3.1). grpc-go sends the endpoint as it was configured, `http://host:port` or the path of a unix socket, and Go's
 *   servers accept that.
 * - Nothing that could end a request reaches Node in the same tick as the request's headers (`NodeInput`).
 * - Resets reach Node at the rate that it allows.
 * - A client that pings too often, or never begins a request, gets a GOAWAY as from etcd, and its connection ends.
 */
export class Http2Connection extends Duplex implements FrameVisitor {
  private readonly streams = new StreamTable();
  private readonly input = new NodeInput(this.streams);
  private readonly pings: PingPolicy;
  private readonly resets = new ResetQueue(
    (stream) => this.streams.isOpen(stream),
    (stream, frame) => {
      this.input.beginFrame(readHeader(frame, 0));
      this.streams.reset(stream);
      this.input.add(frame);
    },
  );
  private readonly fromClient = new FrameCutter(this);
  private readonly fromServer = new FrameCutter(new ServerFrames((header) => this.onServerFrame(header)));
  private isWanted = false;
  private hasClientEnded = false;
  private resetTimer: NodeJS.Timeout | undefined;
  private areResetsDue = false;
  private firstRequestTimer: NodeJS.Timeout | undefined;
  /** Whether the connection has ended, for example with a GOAWAY: nothing more is read. */
  private isOver = false;

  /**
   * @param seen the bytes that were read from the socket already: the preface and more
   */
  constructor(
    private readonly socket: Socket,
    seen: Buffer,
    { withoutRequestMs = maxConnectionWithoutRequestMs, minPingIntervalMs }: ConnectionRules = {},
  ) {
    super({ allowHalfOpen: true, readableHighWaterMark: 1 });
    this.pings = new PingPolicy(minPingIntervalMs);
    this.firstRequestTimer = setTimeout(() => this.endWithGoAway(http2ErrorCode.none, "no_request"), withoutRequestMs);
    this.input.add(seen.subarray(0, preface.length));
    this.fromClient.push(seen.subarray(preface.length));
    socket.on("data", (chunk: Buffer) => {
      if (this.isOver) return;
      this.fromClient.push(chunk);
      this.runDueResets();
      this.passOn();
      if (this.input.size > maxQueuedBytes) socket.pause();
    });
    socket.on("end", () => {
      this.hasClientEnded = true;
      this.passOn();
    });
    socket.on("close", () => this.destroy());
    socket.resume();
  }

  /** The common name of the client's certificate. */
  get certificateName(): string | undefined {
    return certificateNameOf(this.socket);
  }

  get remoteAddress(): string | undefined {
    return remoteAddressOf(this.socket);
  }

  /** Bytes written to the socket. */
  get bytesWritten(): number {
    return this.socket.bytesWritten;
  }

  override _read(): void {
    this.isWanted = true;
    // Called before Node gets the previous piece: callbacks for that piece, in the next tick, run before the tick after it.
    process.nextTick(() => process.nextTick(() => this.passOn()));
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.toClient([chunk], callback);
  }

  override _writev(
    chunks: { readonly chunk: Buffer; readonly encoding: BufferEncoding }[],
    callback: (error?: Error | null) => void,
  ): void {
    this.toClient(
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.socket.end(() => callback());
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.resetTimer);
    clearTimeout(this.firstRequestTimer);
    this.isOver = true;
    if (!this.socket.destroyed) this.closeWhenSent();
    callback(error);
  }

  /** Waits until the output is sent and the client closes; with unread bytes, the system would discard the output. */
  private closeWhenSent(): void {
    const { socket } = this;
    const timer = setTimeout(() => socket.destroy(), lingerMs);
    socket.once("close", () => clearTimeout(timer));
    socket.resume();
    socket.end();
  }

  /** Passes to Node the bytes of one tick, if it has read the former ones. */
  private passOn(): void {
    if (!this.isWanted || this.isOver) return;
    const bytes = this.input.takeBytes();
    if (bytes !== undefined) {
      this.isWanted = false;
      this.push(bytes);
    } else if (this.hasClientEnded) this.push(null);
    else if (this.socket.isPaused()) this.socket.resume();
  }

  private toClient(chunks: readonly Buffer[], callback: (error?: Error | null) => void): void {
    const last = chunks.length - 1;
    const done = (error?: Error | null): void => {
      if (!error) callback(); // else the socket closes, which ends everything
    };
    this.socket.cork();
    for (const [n, chunk] of chunks.entries()) {
      this.fromServer.push(chunk);
      this.socket.write(chunk, n === last ? done : undefined);
    }
    this.socket.uncork();
  }

  shouldReadWhole({ type, length }: FrameHeader): boolean {
    return readWhole.has(type) && length <= maxNodeFrameBytes;
  }

  onWhole(header: FrameHeader, frame: Buffer): void {
    if (header.type === frameType.resetStream) this.onReset(header, frame);
    else if (header.type === frameType.headers) this.onHeaders(header, frame);
    else {
      this.input.beginFrame(header);
      this.input.add(frame);
      this.input.endHeaders(true); // a block in several frames is not searched: assume that it declares a length
    }
  }

  private onHeaders(header: FrameHeader, frame: Buffer): void {
    this.onBegin(header);
    const { start, end } = headerBlockOf(header.flags, frame);
    const block = frame.subarray(start, end);
    const amended = sanitizeAuthority(block);
    const payload = [frame.subarray(frameHeaderBytes, start), amended, frame.subarray(end)];
    const isTooLarge = header.length + amended.length - block.length > maxNodeFrameBytes;
    if (amended === block || isTooLarge) this.input.add(frame);
    else this.input.add(encodeFrame(header.type, header.flags, header.stream, Buffer.concat(payload)));
    this.input.endHeaders(hasContentLength(block));
  }

  private onReset(header: FrameHeader, frame: Buffer): void {
    const { stream } = header;
    const isError = stream === 0 || stream > this.streams.newest || header.length !== 4;
    if (isError) {
      this.input.beginFrame(header); // Node handles the error
      this.input.add(frame);
    } else if (this.resets.add(performance.now(), stream, frame)) this.runResets();
    else this.endWithGoAway(http2ErrorCode.enhanceYourCalm, "too_many_resets");
  }

  private runResets(): void {
    clearTimeout(this.resetTimer);
    const waitMs = this.resets.run(performance.now());
    if (waitMs === undefined) return;
    this.resetTimer = setTimeout(() => {
      this.areResetsDue = true;
      this.runDueResets();
      this.passOn();
    }, waitMs);
  }

  /** Passes due resets on, unless a frame is incomplete: a reset cannot be inserted into it. */
  private runDueResets(): void {
    if (!this.areResetsDue || this.fromClient.isWithinFrame) return;
    this.areResetsDue = false;
    this.runResets();
  }

  onBegin(header: FrameHeader): void {
    const { type, flags, stream } = header;
    this.input.beginFrame(header);
    if (type === frameType.headers) {
      clearTimeout(this.firstRequestTimer);
      this.streams.handleHeaders(stream);
    }
    if (isEndOfStream(type, flags)) this.streams.endOfClient(stream);
    if (type !== frameType.ping || (flags & frameFlag.ack) !== 0) return;
    if (this.pings.onPing(performance.now(), this.streams.hasOpenCalls))
      this.endWithGoAway(http2ErrorCode.enhanceYourCalm, "too_many_pings");
  }

  onBytes(bytes: Buffer): void {
    this.input.add(bytes);
  }

  private onServerFrame({ type, flags, stream }: FrameHeader): void {
    if (type === frameType.headers || type === frameType.data) this.pings.onSent();
    if (isEndOfStream(type, flags)) this.streams.endOfServer(stream);
    if (type === frameType.resetStream) {
      this.input.onReset();
      this.streams.reset(stream);
    }
    if (type === frameType.goAway) this.streams.freeze();
  }

  /** Ends the connection, with a GOAWAY unless a frame to the client is incomplete. */
  private endWithGoAway(error: number, text: string): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.fromServer.isAtBoundary) this.socket.write(encodeGoAway(this.streams.newest, error, text));
    this.destroy();
  }
}

const isEndOfStream = (type: number, flags: number): boolean =>
  (type === frameType.headers || type === frameType.data) && (flags & frameFlag.endStream) !== 0;

import type { Socket } from "node:net";
import type { Clock } from "../../../platform/index.js";
import { type AnswerAccount, NumberTable } from "../../base/index.js";
import { ClosedStreams } from "./closed-streams.js";
import { ConnectionError, http2ErrorCode, StreamError, type ErrorCode } from "./errors.js";
import {
  frame,
  frameFlag,
  type FrameHandler,
  FrameReader,
  frameType,
  goAwayFrame,
  numberFrame,
  preface,
  readUint32,
  setting,
  settingsFrame,
} from "./frames.js";
import { HeaderBlock } from "./header-block.js";
import { HpackDecoder } from "./hpack-decoder.js";
import {
  connectionWindowBytes,
  idleFrameBurst,
  idleFramesPerSecond,
  lingerMs,
  maxCopiedBytes,
  maxHeaderListBytes,
  maxIncompleteMs,
  maxUnreadBytes,
  resetBurst,
  resetsPerSecond,
  streamWindowBytes,
} from "./limits.js";
import type { LiteralCache } from "./literal-cache.js";
import { RateBudget } from "./rate-budget.js";
import { areTrailers, RequestHeads, type RequestHead } from "./request-head.js";
import { ClientSettings } from "./settings.js";
import type { ServerStream } from "./stream.js";
import { ConnectionWriter, type SharedMemory, type WrittenConnection } from "./writer.js";

/** Serves the requests of connections. */
export interface Service {
  /** Creates the stream of a new request; the connection calls its `beginRequest` next. */
  open(connection: ServerConnection, id: number, head: RequestHead, timeout: string | undefined): ServerStream;
  /** Called when a connection is closed, after its streams. */
  onClosed(connection: ServerConnection): void;
  /** Reports a failure that no client can cause. */
  onUnexpectedError(error: unknown): void;
}

/** Checks the rate of a client's pings. */
export interface PingChecker {
  /** Called when headers or data were sent to the client. */
  onSent(): void;
  /** @returns true: the client pings too often, the connection ends */
  onPing(nowMs: number, hasOpenCalls: boolean): boolean;
}

/** The components that all connections of an engine share. */
export interface SharedParts extends SharedMemory {
  readonly clock: Clock;
  readonly literals: LiteralCache;
}

/** The rules and time limits of a connection. */
export interface ConnectionLimits {
  readonly maxStreams: number;
  /** The time until the first request, in milliseconds. */
  readonly withoutRequestMs: number;
  /** The silence after which the client is pinged, and the wait for its answer; undefined: no pings. */
  readonly keepAlive: { readonly afterMs: number; readonly timeoutMs: number } | undefined;
}

/** The interval of `sweep`, in milliseconds. */
export const connectionSweepMs = 1_000;

/**
 * A client's connection (RFC 9113), from the end of the preface to the close of its socket. Each type of frame has a method
 * below; an error of the client is thrown where it is detected, and ends the stream or the connection here.
 */
export class ServerConnection implements FrameHandler, WrittenConnection {
  readonly streams = new NumberTable<ServerStream>();
  readonly writer: ConnectionWriter;
  /** Bytes of incomplete messages (`maxPartialBytes`). */
  partialBytes = 0;

  private readonly reader = new FrameReader();
  private readonly hpack: HpackDecoder;
  private readonly heads = new RequestHeads();
  private readonly settings: ClientSettings;
  private readonly closed = new ClosedStreams();
  private readonly resets = new RateBudget(resetBurst, resetsPerSecond);
  private readonly idleFrames = new RateBudget(idleFrameBurst, idleFramesPerSecond);
  private block: HeaderBlock | undefined;
  private receiveWindow = connectionWindowBytes;
  private newest = 0;
  private hasSettings = false;
  /** Whether no further stream may begin. */
  private isDraining = false;
  /** Whether reading has stopped, and the socket is about to close. */
  private isOver = false;
  private isGone = false;
  private prefaceRead = 0;

  private readonly openedAt: number;
  private receivedAt: number;
  private hasReceived = false;
  private pingedAt: number | undefined;
  private completed = 0;
  private progress = { completed: -1, at: 0 };
  private isLingering = false;

  constructor(
    readonly socket: Socket,
    private readonly service: Service,
    private readonly shared: SharedParts,
    readonly account: AnswerAccount,
    private readonly pings: PingChecker,
    private readonly limits: ConnectionLimits,
  ) {
    this.openedAt = this.receivedAt = shared.clock.now();
    this.hpack = new HpackDecoder(shared.literals);
    this.writer = new ConnectionWriter(socket, shared, account, this);
    this.settings = new ClientSettings(this.writer, this.streams);
  }

  /**
   * Begins to read and write.
   *
   * @param seen the bytes that were read from the socket already
   */
  start(seen: Buffer): void {
    const { socket, limits } = this;
    this.writer.sendFrame(
      settingsFrame([
        [setting.maxConcurrentStreams, limits.maxStreams],
        [setting.initialWindowSize, streamWindowBytes],
        [setting.maxHeaderListSize, maxHeaderListBytes],
      ]),
    );
    this.writer.sendFrame(numberFrame(frameType.windowUpdate, 0, connectionWindowBytes - 65_535));
    socket.on("data", (chunk: Buffer) => this.onChunk(chunk));
    socket.on("end", () => this.onGone());
    socket.on("close", () => this.onGone());
    socket.resume();
    this.onChunk(seen);
  }

  /** Refuses new streams, and closes after the end of the last one (RFC 9113 §6.8). May be called twice. */
  drain(): void {
    if (this.isDraining || this.isOver) return;
    this.isDraining = true;
    this.writer.sendFrame(goAwayFrame(this.newest, http2ErrorCode.none, ""));
    this.endIfDrained();
  }

  destroy(): void {
    this.socket.destroy();
    this.onGone();
  }

  /** Checks a client that is silent, does not begin a request, or does not complete a frame. Called every `connectionSweepMs`. */
  sweep(nowMs: number): void {
    if (this.isOver) return;
    this.hpack.forget();
    let left = maxCopiedBytes;
    for (const { queue } of this.streams.values()) left -= queue?.copyLists(left) ?? 0;
    if (this.newest === 0 && nowMs - this.openedAt >= this.limits.withoutRequestMs)
      this.endWithGoAway(http2ErrorCode.none, "no_request");
    else if (this.socket.isPaused()) this.restartIdleTimer(nowMs);
    else if (this.hasStalled(nowMs)) this.endWithGoAway(http2ErrorCode.enhanceYourCalm, "incomplete_frame");
    else this.keepAlive(nowMs);
  }

  onAnswered(stream: ServerStream): void {
    this.streams.delete(stream.id);
    if (!stream.isRemoteEnded)
      this.writer.sendFrame(numberFrame(frameType.resetStream, stream.id, http2ErrorCode.none));
    this.closed.add(stream.id, stream.isRemoteEnded ? "ended" : "reset by server");
    this.endIfDrained();
  }

  onSent(): void {
    this.pings.onSent();
  }

  onWritten(): void {
    if (this.socket.isPaused() && this.writer.unsentBytes <= maxUnreadBytes) this.socket.resume();
  }

  /** Handles a frame of the reader. */
  onFrame(type: number, flags: number, stream: number, bytes: Buffer, start: number, end: number): boolean {
    try {
      this.dispatch(type, flags, stream, bytes, start, end);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.resetStream(error.stream, error.code);
    }
    return !this.isOver;
  }

  private onChunk(chunk: Buffer): void {
    if (this.isOver) return;
    this.hasReceived = true;
    this.writer.isHeld = true;
    try {
      this.reader.push(this.prefaceRead === preface.length ? chunk : this.readPreface(chunk), this);
    } catch (error) {
      this.onError(error);
    }
    this.writer.release();
    if (this.writer.unsentBytes > maxUnreadBytes) this.socket.pause();
  }

  /** @returns the bytes behind the preface */
  private readPreface(chunk: Buffer): Buffer {
    const length = Math.min(preface.length - this.prefaceRead, chunk.length);
    const expected = preface.subarray(this.prefaceRead, this.prefaceRead + length);
    if (!expected.equals(chunk.subarray(0, length)))
      throw new ConnectionError(http2ErrorCode.protocol, "no HTTP/2 preface");
    this.prefaceRead += length;
    return chunk.subarray(length);
  }

  private onError(error: unknown): void {
    if (error instanceof ConnectionError) this.endWithGoAway(error.code, error.message);
    else {
      this.service.onUnexpectedError(error);
      this.endWithGoAway(http2ErrorCode.internal, "internal error");
    }
  }

  private dispatch(type: number, flags: number, stream: number, bytes: Buffer, start: number, end: number): void {
    if (this.block !== undefined && (type !== frameType.continuation || stream !== this.block.stream))
      throw new ConnectionError(http2ErrorCode.protocol, "a frame within a header block");
    if (!this.hasSettings && type !== frameType.settings)
      throw new ConnectionError(http2ErrorCode.protocol, "the first frame is not SETTINGS");
    this.completed += 1;
    switch (type) {
      case frameType.data:
        return this.onData(flags, stream, bytes, start, end);
      case frameType.headers:
        return this.onHeaders(flags, stream, bytes, start, end);
      case frameType.continuation:
        return this.onContinuation(flags, bytes, start, end);
      case frameType.priority:
        return this.onPriority(stream, bytes, start, end);
      case frameType.resetStream:
        return this.onReset(stream, end - start);
      case frameType.settings:
        return this.onSettings(flags, stream, bytes, start, end);
      case frameType.ping:
        return this.onPing(flags, stream, bytes, start, end);
      case frameType.goAway:
        if (stream !== 0) throw new ConnectionError(http2ErrorCode.protocol, "GOAWAY on a stream");
        return; // the client begins no further stream
      case frameType.windowUpdate:
        return this.onWindowUpdate(stream, bytes, start, end);
      case frameType.pushPromise:
        throw new ConnectionError(http2ErrorCode.protocol, "PUSH_PROMISE from a client");
      default:
        return this.countIdleFrame(); // unknown types are ignored (RFC 9113 §5.5)
    }
  }

  private onData(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id === 0) throw new ConnectionError(http2ErrorCode.protocol, "DATA on stream 0");
    const length = end - start;
    const isLast = (flags & frameFlag.endStream) !== 0;
    this.receiveWindow -= length;
    if (this.receiveWindow < connectionWindowBytes / 2) this.openReceiveWindow();
    if ((flags & frameFlag.padded) !== 0) {
      end -= paddingOf(bytes, start, end);
      start += 1;
    }
    if (start === end && !isLast) this.countIdleFrame();
    const stream = this.streams.get(id);
    if (stream === undefined) return this.onLateFrame(id, "DATA");
    if (stream.isRemoteEnded) throw new StreamError(id, http2ErrorCode.streamClosed, "DATA after the end");
    stream.receive(bytes, start, end, length, isLast);
    const update = stream.takeWindowUpdate();
    if (update > 0) this.writer.sendFrame(numberFrame(frameType.windowUpdate, id, update));
  }

  /** Restores the whole window: the data is handled at once, or counted by its call (`maxPartialBytes`). */
  private openReceiveWindow(): void {
    const update = connectionWindowBytes - this.receiveWindow;
    this.receiveWindow = connectionWindowBytes;
    this.writer.sendFrame(numberFrame(frameType.windowUpdate, 0, update));
  }

  private onHeaders(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if ((id & 1) === 0)
      throw new ConnectionError(http2ErrorCode.protocol, "HEADERS on a stream that is not a client's");
    if ((flags & frameFlag.padded) !== 0) {
      end -= paddingOf(bytes, start, end);
      start += 1;
    }
    let dependsOnItself = false;
    if ((flags & frameFlag.priority) !== 0) {
      if (end - start < 5) throw new ConnectionError(http2ErrorCode.frameSize, "HEADERS too short for their priority");
      dependsOnItself = isDependentOn(id, bytes, start);
      start += 5;
    }
    const block = new HeaderBlock(id, (flags & frameFlag.endStream) !== 0, dependsOnItself);
    if ((flags & frameFlag.endHeaders) !== 0) return this.onBlock(block, bytes, start, end);
    block.add(bytes, start, end);
    this.block = block;
  }

  private onContinuation(flags: number, bytes: Buffer, start: number, end: number): void {
    const { block } = this;
    if (block === undefined) throw new ConnectionError(http2ErrorCode.protocol, "CONTINUATION without HEADERS");
    block.add(bytes, start, end);
    this.completed -= 1; // a CONTINUATION frame does not count before the block is complete
    if ((flags & frameFlag.endHeaders) === 0) return;
    this.block = undefined;
    const whole = block.join();
    this.onBlock(block, whole, 0, whole.length);
  }

  /** Handles a complete header block. The block is decoded in any case, as later blocks depend on the dynamic table. */
  private onBlock(
    { stream: id, isLast, dependsOnItself }: HeaderBlock,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const fits = this.hpack.decode(bytes, start, end);
    const stream = this.streams.get(id);
    if (stream !== undefined) return this.onTrailers(stream, isLast);
    if (id <= this.newest) return this.onLateHeaders(id);
    if (this.isDraining) return; // GOAWAY tells the client that the request is not served
    this.newest = id;
    if (dependsOnItself) throw new StreamError(id, http2ErrorCode.protocol, "a stream that depends on itself");
    if (!fits) throw new StreamError(id, http2ErrorCode.frameSize, "too many headers"); // as grpc-go
    if (this.streams.size >= this.limits.maxStreams)
      throw new StreamError(id, http2ErrorCode.refusedStream, "too many streams");
    const head = this.heads.read(this.hpack.fields);
    if (head === undefined) throw new StreamError(id, http2ErrorCode.protocol, "malformed request");
    this.openStream(id, head, isLast);
  }

  private openStream(id: number, head: RequestHead, isLast: boolean): void {
    const stream = this.service.open(this, id, head, this.heads.timeout);
    stream.sendWindow = this.settings.initialWindow;
    this.streams.set(id, stream);
    stream.beginRequest(isLast);
  }

  private onTrailers(stream: ServerStream, isLast: boolean): void {
    const { id } = stream;
    if (stream.isRemoteEnded) throw new StreamError(id, http2ErrorCode.streamClosed, "HEADERS after the end");
    if (!isLast || !areTrailers(this.hpack.fields))
      throw new StreamError(id, http2ErrorCode.protocol, "malformed trailers");
    stream.receiveTrailers();
  }

  private onLateHeaders(id: number): void {
    const closing = this.closed.find(id);
    if (closing === "reset by server") return; // sent before the client received the reset
    if (closing === "reset by client")
      throw new StreamError(id, http2ErrorCode.streamClosed, "HEADERS after RST_STREAM");
    if (closing === "ended") throw new ConnectionError(http2ErrorCode.streamClosed, "HEADERS on a closed stream");
    throw new ConnectionError(http2ErrorCode.protocol, "a stream that is older than the newest");
  }

  /** Handles a frame for a stream that is not open. */
  private onLateFrame(id: number, name: string): void {
    if (id > this.newest && !this.isDraining)
      throw new ConnectionError(http2ErrorCode.protocol, `${name} on a stream that has not begun`);
    if (id > this.newest || this.closed.find(id) === "reset by server") return;
    throw new StreamError(id, http2ErrorCode.streamClosed, `${name} on a closed stream`);
  }

  private onPriority(id: number, bytes: Buffer, start: number, end: number): void {
    this.countIdleFrame();
    if (id === 0) throw new ConnectionError(http2ErrorCode.protocol, "PRIORITY on stream 0");
    if (end - start !== 5) throw new StreamError(id, http2ErrorCode.frameSize, "PRIORITY of a wrong length");
    if (isDependentOn(id, bytes, start))
      throw new StreamError(id, http2ErrorCode.protocol, "a stream that depends on itself");
  }

  private onReset(id: number, length: number): void {
    if (length !== 4) throw new ConnectionError(http2ErrorCode.frameSize, "RST_STREAM of a wrong length");
    if (id === 0) throw new ConnectionError(http2ErrorCode.protocol, "RST_STREAM on stream 0");
    if (id > this.newest && !this.isDraining)
      throw new ConnectionError(http2ErrorCode.protocol, "RST_STREAM on a stream that has not begun");
    const stream = this.streams.get(id);
    if (stream !== undefined) this.closeStream(stream, "reset by client");
    this.countReset();
  }

  /** Bounds the rate of resets: a reset stream does not count as concurrent, though its work may go on. */
  private countReset(): void {
    if (!this.resets.countEvent(this.shared.clock.now()))
      throw new ConnectionError(http2ErrorCode.enhanceYourCalm, "too_many_resets");
  }

  private onSettings(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id !== 0) throw new ConnectionError(http2ErrorCode.protocol, "SETTINGS on a stream");
    const isAck = (flags & frameFlag.ack) !== 0;
    if ((end - start) % 6 !== 0 || (isAck && end > start))
      throw new ConnectionError(http2ErrorCode.frameSize, "SETTINGS of a wrong length");
    if (isAck) return this.countIdleFrame();
    if (this.hasSettings) this.countIdleFrame();
    this.hasSettings = true;
    this.writer.sendFrame(settingsAck); // sent before any data that the settings allow
    this.settings.apply(bytes, start, end);
  }

  private onPing(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id !== 0) throw new ConnectionError(http2ErrorCode.protocol, "PING on a stream");
    if (end - start !== 8) throw new ConnectionError(http2ErrorCode.frameSize, "PING of a wrong length");
    if ((flags & frameFlag.ack) !== 0) return this.countIdleFrame();
    this.writer.sendFrame(frame(frameType.ping, frameFlag.ack, 0, bytes.subarray(start, end)));
    if (this.pings.onPing(this.shared.clock.now(), this.streams.size > 0))
      throw new ConnectionError(http2ErrorCode.enhanceYourCalm, "too_many_pings");
  }

  private onWindowUpdate(id: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) throw new ConnectionError(http2ErrorCode.frameSize, "WINDOW_UPDATE of a wrong length");
    const increment = readUint32(bytes, start) & 0x7f_ff_ff_ff;
    if (id === 0) {
      if (increment === 0) throw new ConnectionError(http2ErrorCode.protocol, "WINDOW_UPDATE by 0");
      if (!this.writer.openWindow(increment)) throw new ConnectionError(http2ErrorCode.flowControl, "window too large");
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) {
      if (id > this.newest && !this.isDraining)
        throw new ConnectionError(http2ErrorCode.protocol, "WINDOW_UPDATE on a stream that has not begun");
      return; // sent before the client received the end of the stream
    }
    if (increment === 0) throw new StreamError(id, http2ErrorCode.protocol, "WINDOW_UPDATE by 0");
    if (!this.writer.openStreamWindow(stream, increment))
      throw new StreamError(id, http2ErrorCode.flowControl, "window too large");
  }

  private countIdleFrame(): void {
    if (!this.idleFrames.countEvent(this.shared.clock.now()))
      throw new ConnectionError(http2ErrorCode.enhanceYourCalm, "too_many_idle_frames");
  }

  private resetStream(id: number, code: ErrorCode): void {
    this.writer.sendFrame(numberFrame(frameType.resetStream, id, code));
    const stream = this.streams.get(id);
    if (stream === undefined) this.closed.add(id, "reset by server");
    else {
      this.closeStream(stream, "reset by server");
      this.countReset();
    }
  }

  private closeStream(stream: ServerStream, closing: "reset by client" | "reset by server"): void {
    this.streams.delete(stream.id);
    this.closed.add(stream.id, closing);
    this.writer.forget(stream);
    stream.close();
    this.endIfDrained();
  }

  /** Whether a frame or a header block is incomplete, and no other was completed for `maxIncompleteMs`. */
  private hasStalled(nowMs: number): boolean {
    const isWithin = this.reader.isWithinFrame || this.block !== undefined;
    if (!isWithin || this.progress.completed !== this.completed) {
      this.progress = { completed: this.completed, at: nowMs };
      return false;
    }
    return nowMs - this.progress.at >= maxIncompleteMs;
  }

  /** Restarts the timers of a client from which nothing is read because it does not read its answers. */
  private restartIdleTimer(nowMs: number): void {
    this.progress = { completed: this.completed, at: nowMs };
    this.hasReceived = true;
  }

  private keepAlive(nowMs: number): void {
    const { keepAlive } = this.limits;
    if (keepAlive === undefined) return;
    if (this.hasReceived) {
      this.hasReceived = false;
      this.pingedAt = undefined;
      this.receivedAt = nowMs - connectionSweepMs;
    }
    if (this.pingedAt !== undefined) {
      if (nowMs - this.pingedAt >= keepAlive.timeoutMs) this.destroy();
    } else if (nowMs - this.receivedAt >= keepAlive.afterMs) {
      this.pingedAt = nowMs;
      this.writer.sendFrame(frame(frameType.ping, 0, 0, new Uint8Array(8)));
    }
  }

  private endIfDrained(): void {
    if (this.isDraining && !this.isOver && this.streams.size === 0) this.waitForClose();
  }

  /** Ends the connection with a GOAWAY that has the reason. */
  private endWithGoAway(code: ErrorCode, text: string): void {
    if (this.isOver) return;
    this.writer.sendFrame(goAwayFrame(this.newest, code, text));
    this.waitForClose();
    this.closeStreams();
  }

  /**
   * Waits until the output is sent and the client closes. The input is read and dropped: with unread bytes, the system would
   * discard the output.
   */
  private waitForClose(): void {
    this.isOver = true;
    this.closeWhenSent();
    this.writer.endSocket();
    this.socket.resume();
  }

  /** Closes the socket after `lingerMs`, even if output is left. */
  private closeWhenSent(): void {
    if (this.isLingering || this.socket.destroyed) return;
    this.isLingering = true;
    const stopTimer = this.shared.clock.after(lingerMs, () => this.socket.destroy());
    this.socket.once("close", stopTimer);
  }

  /** Handles the end of the socket, by the client or by an error. */
  private onGone(): void {
    if (this.isGone) return;
    this.isGone = this.isOver = true;
    this.closeWhenSent(); // a client that has half-closed may still not read the output
    this.writer.close();
    this.closeStreams();
    this.service.onClosed(this);
  }

  private closeStreams(): void {
    for (const stream of [...this.streams.values()]) {
      this.streams.delete(stream.id);
      stream.close();
    }
  }
}

const settingsAck = frame(frameType.settings, frameFlag.ack, 0);

/** Returns the number of padding bytes at the end of a frame (RFC 9113 §6.1). */
const paddingOf = (bytes: Buffer, start: number, end: number): number => {
  const padding = bytes[start] ?? 0;
  if (padding >= end - start) throw new ConnectionError(http2ErrorCode.protocol, "padding longer than its frame");
  return padding;
};

/** Whether priority fields make a stream depend on itself (RFC 7540 §5.3.1). */
const isDependentOn = (id: number, bytes: Buffer, start: number): boolean =>
  (readUint32(bytes, start) & 0x7f_ff_ff_ff) === id;

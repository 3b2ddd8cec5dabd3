import { emptyList } from "../../../platform/index.js";
import type { Socket } from "node:net";
import { type AnswerAccount, noBytes } from "../../base/index.js";
import type { Labelled, ListMessage } from "../../rpc/index.js";
import { frameFlag, frameHeaderBytes, frameType, writeFrameHeader, writeFrameLength } from "./frames.js";
import type { FlushQueue } from "./flush-queue.js";
import { HpackEncoder } from "./hpack-encoder.js";
import { maxFrameBytes, maxGatheredBytes, maxStatusTextBytes } from "./limits.js";
import { OpenFrame } from "./open-frame.js";
import { Output, type ChunkPool, type OutputPart } from "./output.js";
import { encodeStatusMessage } from "./status-message.js";
import { messagePrefixBytes, SendQueue, writeMessagePrefix } from "./send-queue.js";
import type { AnswerEnd, ServerStream, StreamCarrier } from "./stream.js";

/** The connection, notified by its writer. */
export interface WrittenConnection {
  /** Called when the answer of a stream has been sent to its end. */
  onAnswered(stream: ServerStream): void;
  /** Called when headers or data are sent. */
  onSent(): void;
  /** Called when the output was written to the client's socket, or the socket is closed. */
  onWritten(): void;
}

/** The memory and the queue that all connections of an engine share. */
export interface SharedMemory {
  readonly chunks: ChunkPool;
  readonly flushes: FlushQueue;
}

/** The maximum size of a message that is written in one piece with the headers around it. */
const maxDirectBytes = 8 * 1024;
/** Room for two frames of headers, one of data, and the table size update that may precede a block. */
const answerOverheadBytes = 128;
/** The initial window of a connection (RFC 9113 §6.9.2). */
const firstWindowBytes = 65_535;

/**
 * Writes the frames of one connection. Frames are collected, and written to the socket once for all answers of one turn; one
 * such write is in progress at a time, the next begins when it is complete. Data waits in the queues of its streams while the
 * client's windows are closed or there is much output; streams that may send alternate, a frame each.
 */
export class ConnectionWriter implements StreamCarrier {
  readonly headers = new HpackEncoder();
  /** Whether a flush follows, so that output is only collected. */
  isHeld = false;
  private sendWindow = firstWindowBytes;
  private readonly output: Output;
  private readonly openFrame = new OpenFrame();
  private readonly waiting = new Set<ServerStream>();
  private queuedBytes = 0;
  /** The output without answers: acknowledgements, window updates and the like; in bytes. */
  private frameBytes = 0;
  private isScheduled = false;
  private isClosed = false;
  private writingParts: readonly OutputPart[] = emptyList();
  private writingBytes = 0;
  private writingSlack = 0;
  private gathering = emptyList<ServerStream>();
  private writing = emptyList<ServerStream>();
  private accounted = 0;

  constructor(
    private readonly socket: Socket,
    private readonly shared: SharedMemory,
    private readonly account: AnswerAccount,
    private readonly owner: WrittenConnection,
  ) {
    this.output = new Output(shared.chunks, "encrypted" in socket);
  }

  /** Bytes of the output and of the current write. */
  get unsentBytes(): number {
    return this.output.size + this.writingBytes;
  }

  /** All untaken bytes: `unsentBytes`, and those in the queues of streams. */
  get untakenBytes(): number {
    return this.queuedBytes + this.unsentBytes;
  }

  sendAnswer(stream: ServerStream, message: Uint8Array): void {
    const length = messagePrefixBytes + message.length;
    if (length > maxDirectBytes || !this.mayPass(stream, length)) {
      this.sendMessage(stream, message);
      this.sendEnd(stream, ok);
      return;
    }
    const { output } = this;
    const bytes = output.reserve(length + answerOverheadBytes);
    let at = this.writeHeaders(bytes, output.end, stream);
    at = this.writeMessage(bytes, at, stream, message);
    output.end = this.writeOkTrailers(bytes, at, stream);
    this.finishStream(stream);
  }

  sendListAnswer(stream: ServerStream, pieces: readonly ListMessage[]): void {
    const { output } = this;
    output.end = this.writeHeaders(output.reserve(answerOverheadBytes), output.end, stream);
    this.enqueue(stream, (stream.queue ??= new SendQueue()).addLists(pieces));
    this.sendEnd(stream, ok);
    this.schedule();
  }

  sendMessage(stream: ServerStream, message: Uint8Array): void {
    const length = messagePrefixBytes + message.length;
    const isDirect = length <= maxDirectBytes && this.mayPass(stream, length);
    const { output } = this;
    const bytes = output.reserve(isDirect ? length + answerOverheadBytes : answerOverheadBytes);
    output.end = this.writeHeaders(bytes, output.end, stream);
    if (isDirect) {
      output.end = this.writeMessage(bytes, output.end, stream, message);
      this.countGathered(stream, 1, length);
    } else {
      (stream.queue ??= new SendQueue()).add(message, noBytes);
      this.enqueue(stream, length);
    }
    this.schedule();
  }

  sendEach(
    stream: ServerStream,
    labels: readonly Labelled[],
    from: number,
    to: number,
    head: Uint8Array,
    tail: Uint8Array,
  ): number {
    const fixed = messagePrefixBytes + head.length + tail.length;
    const { output } = this;
    output.end = this.writeHeaders(output.reserve(answerOverheadBytes), output.end, stream);
    let bytes = 0;
    for (let n = from; n < to; n++) {
      const label = labels[n]?.label ?? noBytes;
      const length = fixed + label.length;
      if (length <= maxDirectBytes && this.mayPass(stream, length)) this.writeParts(stream, length, head, label, tail);
      else {
        (stream.queue ??= new SendQueue()).add(Buffer.concat([head, label]), tail);
        this.enqueue(stream, length);
      }
      bytes += length;
    }
    this.owner.onSent();
    this.schedule();
    return bytes;
  }

  sendEnd(stream: ServerStream, end: AnswerEnd): void {
    if (stream.queue !== undefined) {
      stream.waitingEnd = end;
      return;
    }
    this.writeEnd(stream, end);
  }

  sendRefusal(stream: ServerStream, httpStatus: number, end: AnswerEnd): void {
    const { output } = this;
    const text = encodeStatusMessage(end.details).slice(0, maxStatusTextBytes);
    const bytes = output.reserve(text.length + answerOverheadBytes);
    const at = output.end;
    let to = writeFrameHeader(bytes, at, 0, frameType.headers, frameFlag.endHeaders, stream.id);
    to = this.headers.writeHeadersOfError(bytes, to, httpStatus);
    output.end = this.writeStatusFields(bytes, to, end.code, text);
    writeFrameLength(bytes, at, output.end);
    stream.hasSentHeaders = true;
    const body = Buffer.from(`${end.details}\n`);
    (stream.queue ??= new SendQueue()).addBytes(body);
    stream.waitingEnd = noTrailers;
    this.enqueue(stream, body.length);
    this.schedule();
  }

  /** Sends a frame without flow control. */
  sendFrame(frame: Uint8Array): void {
    this.output.append(frame);
    this.frameBytes += frame.length;
    this.schedule();
  }

  /** Adds to the connection's window. @returns false: the window is too large (RFC 9113 §6.9.1) */
  openWindow(bytes: number): boolean {
    this.sendWindow += bytes;
    this.pump();
    return this.sendWindow <= maxWindowBytes;
  }

  /** Adds to a stream's window, or subtracts from it. @returns as `openWindow` */
  openStreamWindow(stream: ServerStream, bytes: number): boolean {
    stream.sendWindow += bytes;
    if (stream.queue !== undefined && stream.sendWindow > 0) {
      this.waiting.add(stream);
      this.pump();
    }
    return stream.sendWindow <= maxWindowBytes;
  }

  /** Drops the queue of a closed stream. */
  forget(stream: ServerStream): void {
    this.waiting.delete(stream);
    this.queuedBytes -= stream.queue?.size ?? 0;
    this.updateAccount();
  }

  /**
   * Writes the answers that were collected while a chunk was read. Acknowledgements alone, as of the ping that grpc-go sends
   * with most requests, wait for the answers to the chunk's requests: a write of their own would wake the client once more.
   */
  release(): void {
    this.isHeld = false;
    if (this.output.size > this.frameBytes) this.flush();
    else if (this.output.size > 0 && !this.isScheduled && this.writingBytes === 0) {
      this.isScheduled = true;
      this.shared.flushes.addLate(this);
    }
  }

  /** Writes the output, unless a write is in progress. */
  flush(): void {
    this.isScheduled = false;
    if (this.writingBytes > 0 || this.isClosed || this.output.size === 0) return;
    this.frameBytes = 0;
    this.writingBytes = this.output.size;
    this.writingSlack = this.output.slack;
    this.writingParts = this.output.takeParts();
    this.openFrame.close();
    [this.writing, this.gathering] = [this.gathering, this.writing];
    for (const stream of this.writing) {
      stream.writing = stream.gathered;
      stream.writingBytes = stream.gatheredBytes;
      stream.gathered = stream.gatheredBytes = 0;
    }
    this.updateAccount();
    this.write(this.writingParts, this.onWritten);
  }

  /** Writes the remaining output, and ends the socket. */
  endSocket(): void {
    if (this.isClosed) return;
    const rest = this.output.takeParts();
    if (rest.length > 0) this.write(rest, () => undefined);
    this.close();
    this.socket.end();
  }

  /** Stops writing. */
  close(): void {
    this.isClosed = true;
    this.account.release(this.accounted);
    this.accounted = 0;
  }

  private write(parts: readonly OutputPart[], onWritten: (error?: Error | null) => void): void {
    const last = parts.length - 1;
    if (last > 0) this.socket.cork();
    for (const [n, { bytes }] of parts.entries()) this.socket.write(bytes, n === last ? onWritten : undefined);
    if (last > 0) this.socket.uncork();
  }

  private readonly onWritten = (error?: Error | null): void => {
    if (this.isClosed || error) return; // the socket closes, which ends the connection
    for (const { chunk } of this.writingParts) if (chunk !== undefined) this.shared.chunks.giveBack(chunk);
    this.writingParts = emptyList();
    this.writingBytes = this.writingSlack = 0;
    for (const stream of this.writing) {
      const { writing, writingBytes } = stream;
      stream.writing = stream.writingBytes = 0;
      stream.onTaken?.(writing, writingBytes);
    }
    this.writing.length = 0;
    this.pump();
    this.flush();
    this.updateAccount();
    this.owner.onWritten();
  };

  private schedule(): void {
    if (this.isScheduled || this.isHeld || this.writingBytes > 0) return;
    this.isScheduled = true;
    this.shared.flushes.add(this);
  }

  /** Whether a message of this length can be sent now, in one frame. */
  private mayPass(stream: ServerStream, length: number): boolean {
    return (
      stream.queue === undefined &&
      length <= stream.sendWindow &&
      length <= this.sendWindow &&
      this.output.size < maxGatheredBytes
    );
  }

  private enqueue(stream: ServerStream, bytes: number): void {
    this.queuedBytes += bytes;
    if (stream.sendWindow > 0) {
      this.waiting.add(stream);
      this.pump();
    }
    this.updateAccount();
  }

  /** Sends from the queues, one frame of each stream in turn, while there is room. */
  private pump(): void {
    for (const stream of this.waiting) {
      const { queue } = stream;
      const room = Math.min(this.sendWindow, maxGatheredBytes - this.output.size);
      if (room <= 0) return;
      this.waiting.delete(stream);
      if (queue === undefined || stream.sendWindow <= 0) continue; // queued again when its window opens
      this.sendPart(stream, queue, Math.min(room, stream.sendWindow, maxFrameBytes, queue.size));
      if (queue.size > 0)
        this.waiting.add(stream); // to the end of the queue
      else this.onQueueSent(stream);
    }
  }

  private sendPart(stream: ServerStream, queue: SendQueue, length: number): void {
    const { output } = this;
    const isLast = length === queue.size && stream.waitingEnd === noTrailers;
    const bytes = output.reserve(frameHeaderBytes);
    const flags = isLast ? frameFlag.endStream : 0;
    output.end = writeFrameHeader(bytes, output.end, length, frameType.data, flags, stream.id);
    this.queuedBytes -= length;
    this.spend(stream, length);
    this.countGathered(stream, queue.moveTo(output, length), length);
    this.schedule();
  }

  private onQueueSent(stream: ServerStream): void {
    const { waitingEnd: end } = stream;
    stream.queue = stream.waitingEnd = undefined;
    if (end === noTrailers) this.finishStream(stream);
    else if (end !== undefined) this.writeEnd(stream, end);
  }

  private countGathered(stream: ServerStream, messages: number, bytes: number): void {
    if (stream.gatheredBytes === 0) this.gathering.push(stream);
    stream.gathered += messages;
    stream.gatheredBytes += bytes;
  }

  private spend(stream: ServerStream, bytes: number): void {
    stream.sendWindow -= bytes;
    this.sendWindow -= bytes;
    this.owner.onSent();
  }

  private writeHeaders(bytes: Buffer, at: number, stream: ServerStream): number {
    if (stream.hasSentHeaders) return at;
    stream.hasSentHeaders = true;
    const start = writeFrameHeader(bytes, at, 0, frameType.headers, frameFlag.endHeaders, stream.id);
    const end = this.headers.writeHeaders(bytes, start);
    writeFrameLength(bytes, at, end);
    return end;
  }

  private writeMessage(bytes: Buffer, at: number, stream: ServerStream, message: Uint8Array): number {
    const { length } = message;
    at = this.openFrame.extend(bytes, at, stream, messagePrefixBytes + length);
    at = writeMessagePrefix(bytes, at, length);
    bytes.set(message, at);
    this.spend(stream, messagePrefixBytes + length);
    return at + length;
  }

  /** Writes a message of three parts. */
  private writeParts(
    stream: ServerStream,
    length: number,
    head: Uint8Array,
    label: Uint8Array,
    tail: Uint8Array,
  ): void {
    const { output } = this;
    const bytes = output.reserve(frameHeaderBytes + length);
    let at = this.openFrame.extend(bytes, output.end, stream, length);
    at = writeMessagePrefix(bytes, at, length - messagePrefixBytes);
    bytes.set(head, at);
    bytes.set(label, (at += head.length));
    bytes.set(tail, (at += label.length));
    output.end = at + tail.length;
    stream.sendWindow -= length;
    this.sendWindow -= length;
    this.countGathered(stream, 1, length);
  }

  private writeOkTrailers(bytes: Buffer, at: number, stream: ServerStream): number {
    const start = writeFrameHeader(bytes, at, 0, frameType.headers, endFlags, stream.id);
    const end = this.headers.writeOkTrailers(bytes, start);
    writeFrameLength(bytes, at, end);
    return end;
  }

  /** Writes trailers, or, if no headers were sent, headers and trailers in one frame. */
  private writeEnd(stream: ServerStream, { code, details }: AnswerEnd): void {
    const { output } = this;
    const text = encodeStatusMessage(details).slice(0, maxStatusTextBytes);
    const bytes = output.reserve(text.length + answerOverheadBytes);
    const at = output.end;
    if (code === 0 && stream.hasSentHeaders) output.end = this.writeOkTrailers(bytes, at, stream);
    else {
      let to = writeFrameHeader(bytes, at, 0, frameType.headers, endFlags, stream.id);
      if (!stream.hasSentHeaders) to = this.headers.writeHeaders(bytes, to);
      output.end = this.writeStatusFields(bytes, to, code, text);
      writeFrameLength(bytes, at, output.end);
    }
    this.owner.onSent();
    this.finishStream(stream);
  }

  private writeStatusFields(bytes: Buffer, at: number, code: number, text: string): number {
    at = this.headers.writeField(bytes, at, "grpc-status", String(code));
    return text === "" ? at : this.headers.writeField(bytes, at, "grpc-message", text);
  }

  private finishStream(stream: ServerStream): void {
    stream.isLocalEnded = true;
    this.owner.onAnswered(stream);
    this.schedule();
  }

  /** Reports changes of the untaken bytes to the account. */
  private updateAccount(): void {
    if (this.isClosed) return;
    const kept = this.untakenBytes + this.output.slack + this.writingSlack;
    if (kept > this.accounted) this.account.keep(kept - this.accounted);
    else if (kept < this.accounted) this.account.release(this.accounted - kept);
    this.accounted = kept;
  }
}

const ok: AnswerEnd = { code: 0, details: "" };
/** The end of an answer that has its status in its headers. */
const noTrailers: AnswerEnd = { code: 0, details: "" };
const endFlags = frameFlag.endHeaders | frameFlag.endStream;
/** The largest possible window (RFC 9113 §6.9.1). */
export const maxWindowBytes = 2 ** 31 - 1;

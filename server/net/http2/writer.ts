import { emptyList } from "../../../platform/index.js";
import type { Socket } from "node:net";
import type { Labelled, ListMessage } from "../../rpc/index.js";
import { frameFlag, frameHeaderBytes, frameType, writeFrameHeader, writeFrameLength } from "./frames.js";
import type { FlushQueue } from "./flush-queue.js";
import { HpackEncoder } from "./hpack-encoder.js";
import { maxFrameBytes, maxGatheredBytes } from "./limits.js";
import { OpenFrame } from "./open-frame.js";
import { Output, type ChunkPool, type OutputPart } from "./output.js";
import { encodeStatusMessage } from "./status-message.js";
import { messagePrefixBytes, SendQueue, writeMessagePrefix } from "./send-queue.js";
import type { AnswerEnd, ServerStream, StreamCarrier } from "./stream.js";

/** Counts answers that a client has not taken, for all connections together. */
export interface AnswerAccount {
  /** Whether an answer that can be refused is kept for this client. */
  readonly admits: boolean;
  /** Whether a stream should send nothing more before its client has taken what it has. */
  readonly isPressed: boolean;
  keep(bytes: number): void;
  release(bytes: number): void;
}

/** The connection, as its writer tells it what becomes of bytes. */
export interface WrittenConnection {
  /** The answer of a stream has been sent to its end. */
  onAnswered(stream: ServerStream): void;
  /** Headers or data are sent. */
  onSent(): void;
  /** The client's system has taken what was written, or the socket is closed. */
  onWritten(): void;
}

/** The memory and the queue that all connections of an engine share. */
export interface SharedMemory {
  readonly chunks: ChunkPool;
  readonly flushes: FlushQueue;
}

/** Messages up to this size are written in one piece with the headers around them. */
const maxDirectBytes = 8 * 1024;
/** Room for two frames of headers, one with data, and the size update that may precede a block. */
const answerOverheadBytes = 128;
/** The longest text of a status that is sent; a frame, and a chunk of output, has room for it. */
const maxStatusTextBytes = 8 * 1024;
/** The window that each connection begins with (RFC 9113 §6.9.2). */
const firstWindowBytes = 65_535;

/**
 * Writes the frames of one connection. They are gathered, and written to the socket once for everything that was answered at a time;
 * one such write is under way, the next begins when the client's system has taken it. Data waits in the queues of its streams while
 * the client's windows are closed or much has been gathered; streams that may send take turns, a frame each.
 */
export class ConnectionWriter implements StreamCarrier {
  readonly headers = new HpackEncoder();
  /** Tells that a flush follows, so that bytes are only gathered. */
  isHeld = false;
  private sendWindow = firstWindowBytes;
  private readonly output: Output;
  private readonly openFrame = new OpenFrame();
  private readonly waiting = new Set<ServerStream>();
  private queuedBytes = 0;
  /** The gathered bytes that no answer is among: acknowledgements, window updates and the like. */
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

  /** Bytes that are gathered or on their way to the client's system. */
  get unsentBytes(): number {
    return this.output.size + this.writingBytes;
  }

  /** All bytes that the client's system has not taken: those, and the ones that wait for its windows. */
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
    this.finish(stream);
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
      this.noteGathered(stream, 1, length);
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

  /** Sends a frame that no window applies to. */
  sendFrame(frame: Uint8Array): void {
    this.output.append(frame);
    this.frameBytes += frame.length;
    this.schedule();
  }

  /** The client allows more bytes on the connection. @returns false: more than there can be (RFC 9113 §6.9.1) */
  openWindow(bytes: number): boolean {
    this.sendWindow += bytes;
    this.pump();
    return this.sendWindow <= maxWindowBytes;
  }

  /** The client allows more, or less, on a stream. @returns as `openWindow` */
  openStreamWindow(stream: ServerStream, bytes: number): boolean {
    stream.sendWindow += bytes;
    if (stream.queue !== undefined && stream.sendWindow > 0) {
      this.waiting.add(stream);
      this.pump();
    }
    return stream.sendWindow <= maxWindowBytes;
  }

  /** A stream is over: what waits on it is not sent. */
  forget(stream: ServerStream): void {
    this.waiting.delete(stream);
    this.queuedBytes -= stream.queue?.size ?? 0;
    this.updateAccount();
  }

  /**
   * Ends the gathering of a chunk's answers and writes them. Acknowledgements alone, as of the ping that grpc-go sends with most
   * requests, let go first what the chunk asked for: they are a write and wake the client.
   */
  release(): void {
    this.isHeld = false;
    if (this.output.size > this.frameBytes) this.flush();
    else if (this.output.size > 0 && !this.isScheduled && this.writingBytes === 0) {
      this.isScheduled = true;
      this.shared.flushes.addLate(this);
    }
  }

  /** Writes what has been gathered, unless a write is under way. */
  flush(): void {
    this.isScheduled = false;
    if (this.writingBytes > 0 || this.isClosed || this.output.size === 0) return;
    this.frameBytes = 0;
    this.writingBytes = this.output.size;
    this.writingSlack = this.output.slack;
    this.writingParts = this.output.take();
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

  /** Writes all that is left, and ends the socket. */
  end(): void {
    if (this.isClosed) return;
    const rest = this.output.take();
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
    if (this.isClosed || error) return; // the socket closes, which ends everything
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

  /** Whether a message of so many bytes can be sent now, in one frame. */
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

  /** Sends what waits, a frame of each stream after the other, as far as there is room. */
  private pump(): void {
    for (const stream of this.waiting) {
      const { queue } = stream;
      const room = Math.min(this.sendWindow, maxGatheredBytes - this.output.size);
      if (room <= 0) return;
      this.waiting.delete(stream);
      if (queue === undefined || stream.sendWindow <= 0) continue; // its window will open again
      this.sendPart(stream, queue, Math.min(room, stream.sendWindow, maxFrameBytes, queue.size));
      if (queue.size > 0)
        this.waiting.add(stream); // behind the others
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
    this.noteGathered(stream, queue.moveTo(output, length), length);
    this.schedule();
  }

  private onQueueSent(stream: ServerStream): void {
    const { waitingEnd: end } = stream;
    stream.queue = stream.waitingEnd = undefined;
    if (end === noTrailers) this.finish(stream);
    else if (end !== undefined) this.writeEnd(stream, end);
  }

  private noteGathered(stream: ServerStream, messages: number, bytes: number): void {
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
    this.noteGathered(stream, 1, length);
  }

  private writeOkTrailers(bytes: Buffer, at: number, stream: ServerStream): number {
    const start = writeFrameHeader(bytes, at, 0, frameType.headers, endFlags, stream.id);
    const end = this.headers.writeOkTrailers(bytes, start);
    writeFrameLength(bytes, at, end);
    return end;
  }

  /** Writes trailers, or headers and trailers in one frame if nothing was sent before. */
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
    this.finish(stream);
  }

  private writeStatusFields(bytes: Buffer, at: number, code: number, text: string): number {
    at = this.headers.writeField(bytes, at, "grpc-status", String(code));
    return text === "" ? at : this.headers.writeField(bytes, at, "grpc-message", text);
  }

  private finish(stream: ServerStream): void {
    stream.isLocalEnded = true;
    this.owner.onAnswered(stream);
    this.schedule();
  }

  /** Tells the account how much more, or less, is kept for this client than before. */
  private updateAccount(): void {
    if (this.isClosed) return;
    const kept = this.untakenBytes + this.output.slack + this.writingSlack;
    if (kept > this.accounted) this.account.keep(kept - this.accounted);
    else if (kept < this.accounted) this.account.release(this.accounted - kept);
    this.accounted = kept;
  }
}

const noBytes = new Uint8Array();
const ok: AnswerEnd = { code: 0, details: "" };
/** The end of an answer that has its status in its headers. */
const noTrailers: AnswerEnd = { code: 0, details: "" };
const endFlags = frameFlag.endHeaders | frameFlag.endStream;
/** The largest window that there can be (RFC 9113 §6.9.1). */
export const maxWindowBytes = 2 ** 31 - 1;

import type { Socket } from "node:net";
import {
  frame,
  frameFlag,
  frameHeaderBytes,
  frameType,
  numberFrame,
  preface,
  setting,
  settingsFrame,
} from "../net/http2/index.js";
import { PendingAnswers } from "./pending-answers.js";

/** A call in the form in which it is sent. */
export interface EncodedCall {
  readonly path: string;
  /** The request message with gRPC's prefix: five bytes, a flag and the length. */
  readonly message: Buffer;
  /** Whether the call is a stream that the client resets after the first answer, as Go's client does for a single lease keep-alive. */
  readonly isStream: boolean;
}

const maxWindow = 2 ** 31 - 1;
const defaultWindow = 65_535;
/** The bytes of answers after which the client sends a WINDOW_UPDATE for the connection. */
const windowBytes = 32 * 1024;
const cancelCode = 8;
/** Indexes of HPACK's static table, its length, and the flags of an indexed field and of one that is added to the table (RFC 7541, §6). */
const hpack = { post: 0x83, http: 0x86, indexed: 0x80, literal: 0x40, staticFields: 61 } as const;

const fieldsOfEachCall = [
  [":authority", "127.0.0.1:2379"],
  ["content-type", "application/grpc"],
  ["user-agent", "grpc-go/1.71.1"],
  ["te", "trailers"],
  ["client-api-version", "3.7"],
] as const;

/** Makes calls on a connection and counts the answers. The content of an answer is not read. */
export class GrpcClient {
  private readonly pending: PendingAnswers;
  private readonly streams = new Set<number>();
  /** The fields in the server's dynamic HPACK table, oldest first. */
  private readonly sentFields: string[] = [];
  private nextStream = 1;
  /** The beginning of a frame that has not arrived completely. */
  private held: Buffer = Buffer.alloc(0);
  /** The bytes of answers since the last WINDOW_UPDATE. */
  private received = 0;

  constructor(private readonly socket: Socket) {
    this.pending = new PendingAnswers(socket);
    socket.on("data", (chunk: Buffer) => this.onChunk(chunk));
    const settings = settingsFrame([[setting.initialWindowSize, maxWindow]]);
    const window = numberFrame(frameType.windowUpdate, 0, maxWindow - defaultWindow);
    socket.write(Buffer.concat([preface, settings, window]));
  }

  /** Sends calls in one write; resolves once all are answered. @throws Error if the connection closes earlier */
  call(calls: readonly EncodedCall[]): Promise<void> {
    const frames = calls.flatMap((each) => this.encode(each, each.isStream ? 0 : frameFlag.endStream));
    this.socket.write(Buffer.concat(frames));
    return this.pending.expect(calls.length);
  }

  /** Opens a stream that stays open, and sends messages on it. Its answers are not counted. */
  openStream(path: string, messages: readonly Buffer[]): void {
    const stream = this.nextStream;
    const [message = Buffer.alloc(0), ...others] = messages;
    const first = this.encode({ path, message, isStream: false }, 0);
    this.socket.write(Buffer.concat([...first, ...others.map((each) => frame(frameType.data, 0, stream, each))]));
  }

  close(): void {
    this.socket.destroy();
  }

  private encode({ path, message, isStream }: EncodedCall, flags: number): Buffer[] {
    const stream = this.nextStream;
    this.nextStream += 2;
    if (isStream) this.streams.add(stream);
    return [
      frame(frameType.headers, frameFlag.endHeaders, stream, this.encodeHead(path)),
      frame(frameType.data, flags, stream, message),
    ];
  }

  private encodeHead(path: string): Buffer {
    const bytes: number[] = [hpack.post, hpack.http];
    for (const [name, value] of [[":path", path] as const, ...fieldsOfEachCall]) this.encodeField(bytes, name, value);
    return Buffer.from(bytes);
  }

  /**
   * Encodes a field: by its index if it was sent before, else as a literal that the server adds to its table. Indexes and lengths take
   * one byte each: the warm-up sends fewer than 64 different fields, with names and values shorter than 127 bytes.
   */
  private encodeField(bytes: number[], name: string, value: string): void {
    const field = `${name} ${value}`;
    const sent = this.sentFields.indexOf(field);
    if (sent >= 0) {
      bytes.push(hpack.indexed | (hpack.staticFields + this.sentFields.length - sent));
      return;
    }
    this.sentFields.push(field);
    bytes.push(hpack.literal, name.length, ...Buffer.from(name), value.length, ...Buffer.from(value));
  }

  private onChunk(chunk: Buffer): void {
    const bytes = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    let at = 0;
    while (bytes.length - at >= frameHeaderBytes) {
      const end = at + frameHeaderBytes + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      this.onFrame(bytes[at + 3] ?? 0, bytes[at + 4] ?? 0, bytes.readUInt32BE(at + 5), end - at - frameHeaderBytes);
      at = end;
    }
    this.held = bytes.subarray(at);
  }

  private onFrame(type: number, flags: number, stream: number, length: number): void {
    if (type === frameType.data) this.onData(stream, length);
    else if (type === frameType.headers && (flags & frameFlag.endStream) !== 0) this.pending.onAnswered();
    else if (type === frameType.settings && (flags & frameFlag.ack) === 0)
      this.socket.write(frame(frameType.settings, frameFlag.ack, 0));
  }

  private onData(stream: number, length: number): void {
    this.received += length;
    if (this.received >= windowBytes) {
      this.socket.write(numberFrame(frameType.windowUpdate, 0, this.received));
      this.received = 0;
    }
    if (!this.streams.delete(stream)) return;
    this.socket.write(numberFrame(frameType.resetStream, stream, cancelCode));
    this.pending.onAnswered();
  }
}

import { gunzipSync, inflateSync } from "node:zlib";
import { statusCode, type GrpcStatus } from "../../rpc/index.js";
import { readUint32 } from "./frames.js";
import { messagePrefixBytes } from "./send-queue.js";

/** Receives the messages of a request. */
export interface MessageHandler {
  /** Receives a message; its bytes are not changed any more. @returns false: no further message is to be read */
  onMessage(bytes: Buffer): boolean;
  /** Called when the request cannot be read. */
  onMessageError(status: GrpcStatus): void;
}

/** Bounds the memory of incomplete messages. */
export interface PartialBudget {
  /** @returns false: there is no room for so many bytes */
  takePartial(bytes: number): boolean;
  givePartialBack(bytes: number): void;
}

/** The rules for the messages of one request. */
export interface MessageRules {
  readonly maxMessageBytes: number;
  readonly encoding: string | undefined;
}

/**
 * Reads the messages of one request (gRPC over HTTP/2: a flag, four bytes of length, the message) from the data of its frames.
 * A message within one frame is passed on without a copy; a message in several frames is assembled in a buffer of its size.
 */
export class MessageReader {
  /** An incomplete message with its prefix; at first only as long as the prefix. */
  private partial: Buffer | undefined;
  private filled = 0;
  private isClosed = false;

  constructor(
    private readonly rules: MessageRules,
    private readonly budget: PartialBudget,
    private readonly handler: MessageHandler,
  ) {}

  /** Whether the last message is incomplete. */
  get isWithinMessage(): boolean {
    return this.partial !== undefined;
  }

  push(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end) {
      if (this.partial !== undefined) {
        at = this.fill(this.partial, bytes, at, end);
        if (at < 0) return;
        continue;
      }
      if (end - at < messagePrefixBytes) {
        this.partial = Buffer.allocUnsafe(messagePrefixBytes);
        this.filled = 0;
        continue;
      }
      const length = readUint32(bytes, at + 1);
      const messageEnd = at + messagePrefixBytes + length;
      if (messageEnd > end) {
        if (!this.allocateMessage(bytes, at, length)) return;
        continue;
      }
      if (!this.passOn(bytes[at] ?? 0, bytes, at + messagePrefixBytes, messageEnd)) return;
      at = messageEnd;
    }
  }

  /** Stops reading, and frees memory. A handler may call it within `onMessage`. */
  close(): void {
    this.isClosed = true;
    this.release();
  }

  private release(): void {
    if (this.partial !== undefined && this.partial.length > messagePrefixBytes)
      this.budget.givePartialBack(this.partial.length);
    this.partial = undefined;
  }

  /** Allocates a message whose length is known. `fill` copies the bytes, with the prefix. */
  private allocateMessage(prefix: Buffer, at: number, length: number): boolean {
    if (length > this.rules.maxMessageBytes) return this.refuse(tooLarge(length, this.rules.maxMessageBytes));
    const size = messagePrefixBytes + length;
    if (!this.budget.takePartial(size)) return this.refuse(tooManyPartial);
    this.partial = Buffer.allocUnsafe(size);
    prefix.copy(this.partial, 0, at, at + messagePrefixBytes);
    this.filled = 0;
    return true;
  }

  /** @returns the offset behind the used bytes, or -1: no further message is to be read */
  private fill(partial: Buffer, bytes: Buffer, at: number, end: number): number {
    const used = Math.min(partial.length - this.filled, end - at);
    bytes.copy(partial, this.filled, at, at + used);
    this.filled += used;
    if (this.filled < partial.length) return at + used;
    const length = readUint32(partial, 1);
    this.release();
    if (partial.length < messagePrefixBytes + length) {
      if (!this.allocateMessage(partial, 0, length)) return -1;
      this.filled = messagePrefixBytes;
      return at + used;
    }
    return this.passOn(partial[0] ?? 0, partial, messagePrefixBytes, partial.length) ? at + used : -1;
  }

  private passOn(flag: number, bytes: Buffer, start: number, end: number): boolean {
    const { maxMessageBytes } = this.rules;
    if (end - start > maxMessageBytes) return this.refuse(tooLarge(end - start, maxMessageBytes));
    const message = bytes.subarray(start, end);
    const plain = flag === 0 ? message : decompress(flag, this.rules.encoding, message, maxMessageBytes);
    if (!Buffer.isBuffer(plain)) return this.refuse(plain);
    return this.handler.onMessage(plain) && !this.isClosed;
  }

  private refuse(status: GrpcStatus): false {
    this.handler.onMessageError(status);
    return false;
  }
}

const { internal, unimplemented, resourceExhausted } = statusCode;

/** The text of grpc-go. */
const tooLarge = (bytes: number, most: number): GrpcStatus => ({
  code: resourceExhausted,
  details: `grpc: received message larger than max (${bytes} vs. ${most})`,
});
const tooManyPartial: GrpcStatus = { code: resourceExhausted, details: "etcdserver: too many requests" };

/** Decompresses a message whose flag is not 0. The size is bounded, so that a small message cannot become a large one. */
const decompress = (
  flag: number,
  encoding: string | undefined,
  message: Buffer,
  maxOutputLength: number,
): Buffer | GrpcStatus => {
  if (flag !== 1) return { code: internal, details: `grpc: received unexpected payload format ${flag}` };
  if (encoding === undefined || encoding === "identity")
    return { code: internal, details: "grpc: compressed flag set with identity or empty encoding" };
  if (encoding !== "gzip" && encoding !== "deflate") {
    const name = JSON.stringify(encoding);
    return { code: unimplemented, details: `grpc: Decompressor is not installed for grpc-encoding ${name}` };
  }
  try {
    return (encoding === "gzip" ? gunzipSync : inflateSync)(message, { maxOutputLength });
  } catch (error) {
    if (error instanceof RangeError)
      return {
        code: resourceExhausted,
        details: `grpc: received message after decompression larger than max ${maxOutputLength}`,
      };
    return { code: internal, details: `grpc: failed to decompress the received message: ${String(error)}` };
  }
};

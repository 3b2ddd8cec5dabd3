import { certificateNameOf, remoteAddressOf } from "../../base/index.js";
import {
  bothCallbacks,
  statusCode,
  statusOfError,
  unixDeadline,
  type Call,
  type GrpcStatus,
  type MethodStats,
} from "../../rpc/index.js";
import type { CallContext } from "./call-context.js";
import type { ServerConnection } from "./connection.js";
import type { DeadlineItem } from "./deadline-wheel.js";
import { readUint32 } from "./frames.js";
import { maxPartialBytes } from "./limits.js";
import { MessageReader, type MessageHandler, type PartialBudget } from "./message-reader.js";
import type { RequestHead } from "./request-head.js";
import { messagePrefixBytes } from "./send-queue.js";
import { ServerStream } from "./stream.js";

/** A gRPC call of any kind on its stream: its deadline, its metadata, its messages, and its end. */
export abstract class GrpcCall extends ServerStream implements Call, DeadlineItem, MessageHandler, PartialBudget {
  deadlineAt = Infinity;
  slot = -1;
  next: DeadlineItem | undefined;
  previous: DeadlineItem | undefined;
  /** Whether the call has ended, by its answer, a cancellation or a reset. */
  protected isOver = false;
  private reader: MessageReader | undefined;
  private onCancel: (() => void) | undefined;
  /** The time at which the call began, if handling times are measured. */
  private readonly beganAt: number;

  /**
   * @param timeoutMs the client's timeout; Infinity: none
   * @param stats counts the calls of its method
   */
  constructor(
    protected readonly context: CallContext,
    protected readonly client: ServerConnection,
    id: number,
    private readonly head: RequestHead,
    timeoutMs: number,
    protected readonly stats: MethodStats,
  ) {
    super(client.writer, id, 0, head.contentLength);
    stats.started++;
    this.beganAt = stats.handlingSeconds === undefined ? 0 : context.clock.now();
    if (timeoutMs === Infinity) return;
    this.deadlineAt = context.clock.now() + timeoutMs;
    context.deadlines.add(this);
  }

  get certificateName(): string | undefined {
    return certificateNameOf(this.client.socket);
  }

  get remoteAddress(): string | undefined {
    return remoteAddressOf(this.client.socket);
  }

  metadata(key: string): string | undefined {
    for (const { name, value } of this.head.fields)
      if (name === key) return key.endsWith("-bin") ? Buffer.from(value, "base64").toString() : value;
    return undefined;
  }

  deadline(): number {
    return unixDeadline(this.deadlineAt, this.context.clock);
  }

  addCancelListener(callback: () => void): void {
    this.onCancel = bothCallbacks(this.onCancel, callback);
  }

  onDeadline(): void {
    const { onCancel } = this;
    this.endWith(deadlineExceeded);
    if (onCancel !== undefined) this.callBack(onCancel);
  }

  endWith(status: GrpcStatus): void {
    if (this.endOnce(status.code)) this.carrier.sendEnd(this, status);
  }

  onMessageError(status: GrpcStatus): void {
    this.endWith(status);
  }

  abstract onMessage(bytes: Buffer): boolean;

  takePartial(bytes: number): boolean {
    const held = this.client.partialBytes;
    if ((held > 0 && held + bytes > maxPartialBytes) || !this.context.takePartial(bytes)) return false;
    this.client.partialBytes = held + bytes;
    return true;
  }

  givePartialBack(bytes: number): void {
    this.client.partialBytes -= bytes;
    this.context.givePartialBack(bytes);
  }

  /** Called when the client has half-closed the stream; every message was complete. */
  protected abstract onHalfClose(): void;
  /** Called once, at the end of the call. */
  protected abstract onOver(): void;

  protected override onData(bytes: Buffer, start: number, end: number): void {
    if (this.isOver) return;
    if (this.reader === undefined && this.isPlainMessage(bytes, start, end)) {
      this.onMessage(bytes.subarray(start + messagePrefixBytes, end));
      return;
    }
    this.reader ??= this.createReader();
    this.reader.push(bytes, start, end);
  }

  protected override onRemoteEnd(): void {
    if (this.isOver) return;
    if (this.reader?.isWithinMessage === true) this.endWith(this.tornMessage);
    else this.onHalfClose();
  }

  protected override onReset(): void {
    const { onCancel } = this;
    if (this.endOnce(statusCode.canceled) && onCancel !== undefined) this.callBack(onCancel);
  }

  /** The status of a request that ends within a message, with the text of grpc-go. */
  protected get tornMessage(): GrpcStatus {
    return { code: statusCode.internal, details: "unexpected EOF" };
  }

  /** Ends the call with an error's status. */
  protected failWith(error: unknown): void {
    if (!this.isOver) this.endWith(statusOfError(error, this.context.onUnexpectedError));
  }

  /** Ends the call once. @returns whether it was in progress: then the caller sends the answer */
  protected endOnce(code: number): boolean {
    if (this.isOver) return false;
    this.isOver = true;
    this.stats.countEnd(code);
    this.stats.handlingSeconds?.observe((this.context.clock.now() - this.beganAt) / 1_000);
    this.onCancel = undefined;
    this.context.deadlines.remove(this);
    this.reader?.close();
    try {
      this.onOver();
    } catch (error) {
      this.context.onUnexpectedError(error); // the client must still get its answer
    }
    return true;
  }

  /** Calls a callback of a service, and catches its error: other callbacks of the same event must still be called. */
  private callBack(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.context.onUnexpectedError(error);
    }
  }

  /** Whether the bytes are one complete and uncompressed message, as in nearly every request: no reader is needed. */
  private isPlainMessage(bytes: Buffer, start: number, end: number): boolean {
    const length = end - start - messagePrefixBytes;
    return (
      length >= 0 &&
      length <= this.context.maxMessageBytes &&
      bytes[start] === 0 &&
      readUint32(bytes, start + 1) === length
    );
  }

  private createReader(): MessageReader {
    const rules = { maxMessageBytes: this.context.maxMessageBytes, encoding: this.head.encoding };
    return new MessageReader(rules, this, this);
  }
}

/** The status of a call whose deadline has passed, with the text of grpc-go. */
export const deadlineExceeded: GrpcStatus = { code: statusCode.deadlineExceeded, details: "context deadline exceeded" };

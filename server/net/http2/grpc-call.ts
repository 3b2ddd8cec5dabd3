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
import type { Expiring } from "./deadline-wheel.js";
import { readUint32 } from "./frames.js";
import { maxPartialBytes } from "./limits.js";
import { MessageReader, type MessageHandler, type PartialBudget } from "./message-reader.js";
import type { RequestHead } from "./request-head.js";
import { messagePrefixBytes } from "./send-queue.js";
import { ServerStream } from "./stream.js";

/** A call of gRPC on its stream, of any kind: its deadline, its metadata, its messages, and its one end. */
export abstract class GrpcCall extends ServerStream implements Call, Expiring, MessageHandler, PartialBudget {
  readonly principal = undefined;
  deadlineAt = Infinity;
  slot = -1;
  next: Expiring | undefined;
  previous: Expiring | undefined;
  /** The end has been given, or nobody waits for it. */
  protected isOver = false;
  private reader: MessageReader | undefined;
  private onCancel: (() => void) | undefined;
  /** The time at which it began, if handling times are measured. */
  private readonly beganAt: number;

  /**
   * @param timeoutMs time that the client gives the call; Infinity: all
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

  onCancelled(callback: () => void): void {
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

  /** The client sends no more, and every message that it sent was whole. */
  protected abstract onHalfClose(): void;
  /** The call has ended, whoever ended it; called once. */
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

  /** The answer to a request that ends within a message, in the words of Go's gRPC. */
  protected get tornMessage(): GrpcStatus {
    return { code: statusCode.internal, details: "unexpected EOF" };
  }

  /** Ends the call with an error's status. */
  protected failWith(error: unknown): void {
    if (!this.isOver) this.endWith(statusOfError(error, this.context.onUnexpectedError));
  }

  /** Ends the call once. @returns whether it was under way: who ends it gives the answer */
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
      this.context.onUnexpectedError(error); // the client must still be answered
    }
    return true;
  }

  /** Calls back a service. Should it throw, others that are told of the same event must still be. */
  private callBack(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.context.onUnexpectedError(error);
    }
  }

  /** Whether these are one message, whole and not compressed, as in nearly every request: it takes no reader. */
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

const deadlineExceeded: GrpcStatus = { code: statusCode.deadlineExceeded, details: "context deadline exceeded" };

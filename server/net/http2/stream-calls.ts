import { maxUnsentBytes, maxUnsentMessages } from "../../base/index.js";
import {
  type BidiMethod,
  type BidiResponseStream,
  decodeWith,
  type GrpcStatus,
  type Labelled,
  type RequestSink,
  type ServerResponseStream,
  type ServerStreamMethod,
  statusCode,
} from "../../rpc/index.js";
import type { CallContext } from "./call-context.js";
import type { ServerConnection } from "./connection.js";
import { GrpcCall } from "./grpc-call.js";
import type { RequestHead } from "./request-head.js";
import { messagePrefixBytes } from "./send-queue.js";

const ok: GrpcStatus = { code: statusCode.ok, details: "" };

/** A call with a stream of responses, whose service pauses while the client does not read. */
abstract class ResponseStreamCall extends GrpcCall {
  private onDrained: () => void = () => undefined;
  /** Messages and bytes that are not yet written to the client's socket. */
  protected unsentMessages = 0;
  protected unsentBytes = 0;
  protected isFull = false;

  protected abstract readonly encode: (response: never) => Uint8Array;

  send(response: unknown): boolean {
    if (this.isOver) return true;
    const message = this.encode(response as never);
    this.stats.countSent(1, message.length);
    this.unsentMessages += 1;
    this.unsentBytes += messagePrefixBytes + message.length;
    this.isFull ||=
      this.unsentMessages >= maxUnsentMessages || this.unsentBytes >= maxUnsentBytes || this.client.account.isPressed;
    this.carrier.sendMessage(this, message);
    return !this.isFull;
  }

  setDrainListener(callback: () => void): void {
    this.onDrained = callback;
  }

  fail(error: unknown): void {
    this.failWith(error);
  }

  endStream(): void {
    this.endWith(ok);
  }

  override onTaken(messages: number, bytes: number): void {
    this.unsentMessages -= messages;
    this.unsentBytes -= bytes;
    if (!this.isFull || this.unsentMessages > 0 || this.isOver) return;
    this.isFull = false;
    this.guard(() => this.onDrained());
  }

  protected guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.fail(error);
    }
  }
}

/** A call with one request and a stream of responses. */
export class ServerStreamCall extends ResponseStreamCall implements ServerResponseStream<unknown> {
  protected readonly encode: (response: never) => Uint8Array;
  private hasRequest = false;
  private closeCallback: (() => void) | undefined;

  constructor(
    context: CallContext,
    client: ServerConnection,
    id: number,
    head: RequestHead,
    timeoutMs: number,
    private readonly method: ServerStreamMethod,
  ) {
    super(context, client, id, head, timeoutMs, method.stats);
    this.encode = method.encode;
  }

  setCloseListener(callback: () => void): void {
    if (this.isOver) callback();
    else this.closeCallback = callback;
  }

  onMessage(bytes: Buffer): boolean {
    if (this.hasRequest) return true; // the first request is used, as in grpc-go
    this.hasRequest = true;
    this.stats.countReceived(bytes.length);
    this.guard(() => this.method.handle(decodeWith(this.method.decode, bytes, "stream"), this, this));
    return true;
  }

  protected override onBegin(): void {
    // the request is still expected
  }

  protected override onHalfClose(): void {
    if (!this.hasRequest) this.endWith(noRequest);
  }

  protected override onOver(): void {
    this.closeCallback?.();
  }
}

const noRequest: GrpcStatus = {
  code: statusCode.internal,
  details: "cardinality violation: received no request message from non-client-streaming RPC",
};

/** A call with a stream of requests and a stream of responses. */
export class BidiCall extends ResponseStreamCall implements BidiResponseStream<unknown> {
  protected readonly encode: (response: never) => Uint8Array;
  private sink: RequestSink<never> | undefined;

  constructor(
    context: CallContext,
    client: ServerConnection,
    id: number,
    head: RequestHead,
    timeoutMs: number,
    private readonly method: BidiMethod,
  ) {
    super(context, client, id, head, timeoutMs, method.stats);
    this.encode = method.encode;
  }

  sendEach(labels: readonly Labelled[], from: number, to: number, head: Uint8Array, tail: Uint8Array): number {
    if (this.isOver) return to - from;
    if (this.isFull) return 0;
    const bytes = messagePrefixBytes + head.length + tail.length;
    const count = Math.max(0, Math.min(to - from, this.roomFor(bytes)));
    this.unsentMessages += count;
    const sentBytes = this.carrier.sendEach(this, labels, from, from + count, head, tail);
    this.unsentBytes += sentBytes;
    this.stats.countSent(count, sentBytes - count * messagePrefixBytes);
    this.isFull = this.roomFor(bytes) <= 0;
    return count;
  }

  onMessage(bytes: Buffer): boolean {
    this.stats.countReceived(bytes.length);
    try {
      this.sink?.onRequest(decodeWith(this.method.decode, bytes, "stream"));
    } catch (error) {
      this.failWith(error);
    }
    return !this.isOver;
  }

  protected override onBegin(): void {
    this.guard(() => {
      const sink = this.method.open(this, this);
      if (this.isOver)
        sink.onClosed(); // ended during `open`, before there was a sink
      else this.sink = sink;
    });
  }

  protected override onHalfClose(): void {
    this.guard(() => this.sink?.onHalfClose());
  }

  protected override onOver(): void {
    this.sink?.onClosed();
  }

  /** Returns how many messages of about this size may be sent; the last one may exceed the room. */
  private roomFor(bytes: number): number {
    const { unsentMessages, unsentBytes } = this;
    if (this.client.account.isPressed) return 1 - unsentMessages;
    return Math.min(maxUnsentMessages - unsentMessages, Math.ceil((maxUnsentBytes - unsentBytes) / bytes));
  }
}

import { maxUnsentBytes, maxUnsentMessages } from "../base/index.js";
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
} from "../rpc/index.js";
import type { ClientSide } from "./client-side.js";
import { type GatewayContext, GatewayCall } from "./gateway-call.js";
import { httpStatusOf, statusJson } from "./http-status.js";
import type { MethodSchema } from "./message-schema.js";
import { jsonOf } from "./message-writer.js";
import { answerFields, errorFields, noBytes } from "./unary-gateway-call.js";

const ok: GrpcStatus = { code: statusCode.ok, details: "" };

/** A call with a stream of responses: a line of JSON for each message. */
abstract class LinesCall extends GatewayCall {
  private hasBegun = false;
  private onDrained: () => void = () => undefined;
  /** Messages and bytes that are not yet written to the client's socket. */
  private unsentMessages = 0;
  private unsentBytes = 0;
  protected isFull = false;

  protected abstract encode(response: unknown): Uint8Array;

  send(response: unknown): boolean {
    if (this.isOver) return true;
    this.writeMessage(this.encode(response));
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

  endWith(status: GrpcStatus): void {
    if (!this.endOnce(status.code)) return;
    if (status.code === 0) {
      this.beginAnswer(200, {});
    } else {
      this.beginAnswer(httpStatusOf(status), errorFields(status));
      this.client.write(`{"error":${statusJson(status)}}\n`, () => undefined);
    }
    this.client.endAnswer();
  }

  protected writeMessage(message: Uint8Array): void {
    this.beginAnswer(200, answerFields);
    this.stats.countSent(1, message.length);
    const line = `{"result":${jsonOf(message, this.schema.response)}}\n`;
    const { length } = line;
    this.unsentMessages += 1;
    this.unsentBytes += length;
    this.client.account.keep(length);
    this.client.write(line, () => this.onTaken(length));
    this.isFull ||= this.room <= 0;
  }

  protected override onOver(): void {
    this.client.account.release(this.unsentBytes);
  }

  protected runGuarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.failWith(error);
    }
  }

  private beginAnswer(httpStatus: number, fields: Readonly<Record<string, string>>): void {
    if (!this.hasBegun) this.client.beginAnswer(httpStatus, fields);
    this.hasBegun = true;
  }

  private onTaken(bytes: number): void {
    if (this.isOver) return;
    this.unsentMessages -= 1;
    this.unsentBytes -= bytes;
    this.client.account.release(bytes);
    if (!this.isFull || this.unsentMessages > 0) return;
    this.isFull = false;
    this.runGuarded(() => this.onDrained());
  }

  private get room(): number {
    if (this.client.account.isPressed) return 1 - this.unsentMessages;
    return Math.min(maxUnsentMessages - this.unsentMessages, maxUnsentBytes - this.unsentBytes);
  }
}

/** A call with one request and a stream of responses. */
export class ServerStreamGatewayCall extends LinesCall implements ServerResponseStream<unknown> {
  private request: Buffer = noBytes;
  private badBody: GrpcStatus | undefined;
  private closeCallback: (() => void) | undefined;

  constructor(
    context: GatewayContext,
    client: ClientSide,
    schema: MethodSchema,
    private readonly method: ServerStreamMethod,
  ) {
    super(context, client, schema, method.stats);
  }

  setCloseListener(callback: () => void): void {
    if (this.isOver) callback();
    else this.closeCallback = callback;
  }

  protected override onRequest(message: Buffer): void {
    this.request = message;
    this.hasBody = true;
    if (!this.client.endsBody) this.handle();
  }

  protected override onAllRead(): void {
    if (this.badBody !== undefined) this.endWith(this.badBody);
    else if (this.client.endsBody) this.handle();
  }

  protected override onBadBody(status: GrpcStatus): void {
    this.badBody = status;
    if (!this.client.endsBody) this.endWith(status);
  }

  protected override encode(response: unknown): Uint8Array {
    return this.method.encode(response);
  }

  protected override onOver(): void {
    super.onOver();
    this.closeCallback?.();
  }

  private handle(): void {
    this.endBodyTimer();
    const { method } = this;
    this.countStart();
    this.stats.countReceived(this.request.length);
    this.runGuarded(() => method.handle(decodeWith(method.decode, this.request, "stream"), this, this));
  }
}

/** A call with a stream of requests, the values of its body, and a stream of responses. */
export class BidiGatewayCall extends LinesCall implements BidiResponseStream<unknown> {
  private readonly sink: RequestSink<never> | undefined;
  private hasRequest = false;

  constructor(
    context: GatewayContext,
    client: ClientSide,
    schema: MethodSchema,
    private readonly method: BidiMethod,
  ) {
    super(context, client, schema, method.stats);
    this.countStart();
    try {
      const sink = method.open(this, this);
      if (this.isOver)
        sink.onClosed(); // ended during `open`, before there was a sink
      else this.sink = sink;
    } catch (error) {
      this.failWith(error);
    }
  }

  sendEach(labels: readonly Labelled[], from: number, to: number, head: Uint8Array, tail: Uint8Array): number {
    if (this.isOver) return to - from;
    let sent = 0;
    for (const { label } of labels.slice(from, to)) {
      if (this.isFull) break;
      this.writeMessage(Buffer.concat([head, label, tail]));
      sent += 1;
    }
    return sent;
  }

  protected override encode(response: unknown): Uint8Array {
    return this.method.encode(response);
  }

  protected override onRequest(message: Buffer): void {
    this.hasRequest = true;
    this.stats.countReceived(message.length);
    this.endBodyTimer(); // from now on the body has no time limit
    try {
      this.sink?.onRequest(decodeWith(this.method.decode, message, "stream"));
    } catch (error) {
      this.failWith(error);
    }
  }

  protected override onAllRead(): void {
    this.halfClose({ code: statusCode.invalidArgument, details: "the body has no request" });
  }

  protected override onBadBody({ code, details }: GrpcStatus): void {
    this.halfClose({ code, details: `Failed to decode request: ${details}` });
  }

  protected override onOver(): void {
    super.onOver();
    this.sink?.onClosed();
  }

  /** Half-closes the stream. A stream without any request that continues all the same ends with `problem`. */
  private halfClose(problem: GrpcStatus): void {
    this.endBodyTimer();
    this.runGuarded(() => this.sink?.onHalfClose());
    if (!this.hasRequest) this.endWith(problem);
  }
}

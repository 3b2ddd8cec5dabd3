import type { Clock } from "../../platform/index.js";
import { maxHttpRequestMs } from "../base/index.js";
import {
  bothCallbacks,
  type Call,
  type GrpcStatus,
  type MethodStats,
  RpcError,
  statusCode,
  statusOfError,
  unixDeadline,
} from "../rpc/index.js";
import { type BodyBudget, BodyReader } from "./body-reader.js";
import type { ClientSide } from "./client-side.js";
import { InvalidJsonError } from "./invalid-json-error.js";
import { encodeJson } from "./message-reader.js";
import type { OpenGatewayCalls } from "./open-gateway-calls.js";
import type { MethodSchema } from "./message-schema.js";
import { metadataOf, timeoutOf } from "./request-metadata.js";

/** The bytes of a body that must arrive within each `maxHttpRequestMs`; else its connection is closed. */
const progressBytes = 64 * 1024;

/** The components that all calls of a gateway share. */
export interface GatewayContext {
  readonly clock: Clock;
  /** The maximum size of a request message, in bytes. */
  readonly maxMessageBytes: number;
  readonly maxBodyBytes: number;
  readonly bodies: BodyBudget;
  /** The calls in progress. */
  readonly calls: OpenGatewayCalls;
  onUnexpected(error: unknown): void;
}

/** A call over HTTP: its body, its metadata, its deadline, and its end. */
export abstract class GatewayCall implements Call {
  /** Whether the call has ended, by its answer or a cancellation. */
  protected isOver = false;
  /** Whether the body is complete, or the rest of it is not needed. */
  protected hasBody = false;
  private readonly body: BodyReader;
  private readonly deadlineAt: number;
  private stopDeadline: (() => void) | undefined;
  private stopBodyTimer: (() => void) | undefined;
  private bytesSinceTimer = 0;
  private onCancel: (() => void) | undefined;
  /** The time at which the method was called; undefined: not yet. */
  private beganAt: number | undefined;

  /** @throws RpcError if the client's timeout is malformed */
  constructor(
    protected readonly context: GatewayContext,
    protected readonly client: ClientSide,
    protected readonly schema: MethodSchema,
    /** Counts the calls of its method. */
    protected readonly stats: MethodStats,
  ) {
    const { clock, calls, bodies, maxBodyBytes } = context;
    this.body = new BodyReader(maxBodyBytes, bodies);
    const timeoutMs = timeoutOf(client.headers);
    this.deadlineAt = clock.now() + timeoutMs;
    if (timeoutMs !== Infinity) this.stopDeadline = clock.after(Math.max(timeoutMs, 0), () => this.onDeadline());
    this.startBodyTimer();
    calls.add(this);
  }

  get remoteAddress(): string | undefined {
    return this.client.remoteAddress;
  }

  metadata(key: string): string | undefined {
    return metadataOf(this.client.headers, key);
  }

  deadline(): number {
    return unixDeadline(this.deadlineAt, this.context.clock);
  }

  addCancelListener(callback: () => void): void {
    this.onCancel = bothCallbacks(this.onCancel, callback);
  }

  /** Handles a piece of the body. */
  onBody(piece: Buffer): void {
    this.bytesSinceTimer += piece.length;
    if (this.stopBodyTimer !== undefined && this.bytesSinceTimer >= progressBytes) this.startBodyTimer();
    this.read(() => this.body.push(piece, (json) => this.onJson(json)));
  }

  /** Handles the end of the body. */
  onBodyEnd(): void {
    this.endBodyTimer();
    this.read(() => this.body.endBody((json) => this.onJson(json)));
    this.hasBody = true;
    if (!this.isOver) this.onAllRead();
  }

  /** Handles the end of the connection by the client. */
  onGone(): void {
    const { onCancel } = this;
    if (this.endOnce(statusCode.canceled) && onCancel !== undefined) this.guard(onCancel);
  }

  /** Ends the call with a status, if it has not ended. */
  abstract endWith(status: GrpcStatus): void;
  /** Handles a request message. An error that it throws is reported as an error of the body. */
  protected abstract onRequest(message: Buffer): void;
  /** Called at the end of the body. */
  protected abstract onAllRead(): void;
  /** Called if the body is not JSON, or too large; the rest of it is dropped. */
  protected abstract onBadBody(status: GrpcStatus): void;
  /** Called once, at the end of the call. */
  protected abstract onOver(): void;

  /** Ends the call with an error's status. */
  protected failWith(error: unknown): void {
    if (!this.isOver) this.endWith(statusOf(error, this.context));
  }

  /** Counts the start of the method. */
  protected countStart(): void {
    this.stats.started++;
    this.beganAt = this.context.clock.now();
  }

  /** Ends the call once. @returns whether it was in progress: then the caller sends the answer */
  protected endOnce(code: number): boolean {
    if (this.isOver) return false;
    this.isOver = true;
    this.countEnd(code);
    this.onCancel = undefined;
    this.stopDeadline?.();
    this.endBodyTimer();
    this.body.close();
    this.context.calls.delete(this);
    this.guard(() => this.onOver());
    return true;
  }

  /** Ends the time limit of the body. */
  protected endBodyTimer(): void {
    this.stopBodyTimer?.();
    this.stopBodyTimer = undefined;
  }

  /** Calls a callback of a service, and catches its error: other callbacks of the same event must still be called. */
  protected guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.context.onUnexpected(error);
    }
  }

  private countEnd(code: number): void {
    if (this.beganAt === undefined) return; // no method was called
    this.stats.countEnd(code);
    this.stats.handlingSeconds?.observe((this.context.clock.now() - this.beganAt) / 1_000);
  }

  private onDeadline(): void {
    const { onCancel } = this;
    this.endWith({ code: statusCode.deadlineExceeded, details: "context deadline exceeded" });
    if (onCancel !== undefined) this.guard(onCancel);
  }

  private startBodyTimer(): void {
    this.stopBodyTimer?.();
    this.bytesSinceTimer = 0;
    this.stopBodyTimer = this.context.clock.after(maxHttpRequestMs, () => this.client.destroy());
  }

  /** Handles a value of the body. @returns whether another one is expected */
  private onJson(json: Buffer): boolean {
    const message = encodeJson(json, this.schema.request);
    const { maxMessageBytes } = this.context;
    if (message.length > maxMessageBytes) throw new RpcError(tooLarge(message.length, maxMessageBytes));
    this.onRequest(message);
    return !this.hasBody && !this.isOver;
  }

  private read(run: () => void): void {
    if (this.isOver || this.hasBody) return;
    try {
      run();
    } catch (error) {
      this.hasBody = true;
      this.body.close();
      this.onBadBody(statusOf(error, this.context));
    }
  }
}

/** The text of grpc-go. */
const tooLarge = (bytes: number, max: number): GrpcStatus => ({
  code: statusCode.resourceExhausted,
  details: `grpc: received message larger than max (${bytes} vs. ${max})`,
});

const statusOf = (error: unknown, context: GatewayContext): GrpcStatus => {
  if (error instanceof InvalidJsonError) return { code: statusCode.invalidArgument, details: error.message };
  return statusOfError(error, (unexpected) => context.onUnexpected(unexpected));
};

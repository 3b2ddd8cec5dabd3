import { ServerError } from "../../base/index.js";
import { decodeWith, ListMessage, statusCode, type GrpcStatus, type Reply, type UnaryMethod } from "../../rpc/index.js";
import type { CallContext } from "./call-context.js";
import type { ServerConnection } from "./connection.js";
import { GrpcCall } from "./grpc-call.js";
import type { RequestHead } from "./request-head.js";
import { lengthOf } from "./send-queue.js";

/** A call with one request and one answer. A single object is the stream, the call and the reply, to save allocations. */
export class UnaryCall extends GrpcCall implements Reply<unknown> {
  private hasRequest = false;

  constructor(
    context: CallContext,
    client: ServerConnection,
    id: number,
    head: RequestHead,
    timeoutMs: number,
    private readonly method: UnaryMethod,
  ) {
    super(context, client, id, head, timeoutMs, method.stats);
    context.calls.add();
  }

  send(response: unknown): void {
    if (response instanceof ListMessage) {
      this.sendPieces([response]);
      return;
    }
    if (this.isOver || this.isRefused()) return;
    let answer: Uint8Array;
    try {
      answer = this.method.encode(response);
    } catch (error) {
      this.fail(error);
      return;
    }
    if (!this.endOnce(statusCode.ok)) return;
    this.stats.countSent(1, answer.length);
    this.carrier.sendAnswer(this, answer);
  }

  sendPieces(pieces: readonly ListMessage[]): void {
    if (this.isOver || this.isRefused() || !this.endOnce(statusCode.ok)) return;
    this.stats.countSent(1, lengthOf(pieces));
    this.carrier.sendListAnswer(this, pieces);
  }

  fail(error: unknown): void {
    this.failWith(error);
  }

  onMessage(bytes: Buffer): boolean {
    if (this.hasRequest) return true; // the first request is used, as in grpc-go
    this.hasRequest = true;
    this.stats.countReceived(bytes.length);
    const { method } = this;
    try {
      method.handle(this, decodeWith(method.decode, bytes, "unary"), method.answer(this));
    } catch (error) {
      this.fail(error);
    }
    return true;
  }

  /** Refuses the call if untaken answers leave no room for another one that can be refused. */
  private isRefused(): boolean {
    if (!this.method.isRead || this.client.account.hasRoom) return false;
    this.fail(new ServerError("too-many-requests", "clients do not read their answers"));
    return true;
  }

  protected override get tornMessage(): GrpcStatus {
    return { code: statusCode.unknown, details: "unexpected EOF" };
  }

  protected override onBegin(): void {
    // the request is still expected
  }

  protected override onHalfClose(): void {
    if (!this.hasRequest) this.endWith(noRequest);
  }

  protected override onOver(): void {
    this.context.calls.remove();
  }
}

const noRequest: GrpcStatus = { code: statusCode.unknown, details: "EOF" };

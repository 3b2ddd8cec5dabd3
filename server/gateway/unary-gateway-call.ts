import { ServerError } from "../base/index.js";
import {
  decodeWith,
  type GrpcStatus,
  type Method,
  type Reply,
  RpcError,
  statusCode,
  type UnaryMethod,
  type UnimplementedMethod,
} from "../rpc/index.js";
import type { ClientSide } from "./client-side.js";
import { type GatewayContext, GatewayCall } from "./gateway-call.js";
import { httpStatusOf, statusJson } from "./http-status.js";
import type { MethodSchema } from "./message-schema.js";
import { jsonOf, jsonSlices } from "./message-writer.js";

/** A longer answer is written in slices; in bytes. */
const maxBytesAtOnce = 256 * 1024;

/** Header fields of a method's answer, as etcd's gateway sends them. */
export const answerFields = {
  "Content-Type": "application/json",
  "Grpc-Metadata-Content-Type": "application/grpc",
};
const jsonFields = { "Content-Type": "application/json" };
/** An empty body. */
export const noBytes = Buffer.alloc(0);

/** Returns the header fields of an answer with this status. */
export const errorFields = ({ code, details }: GrpcStatus): Readonly<Record<string, string>> =>
  code === 16 ? { ...jsonFields, "WWW-Authenticate": details } : jsonFields;

/** A call with one request and one answer. */
export class UnaryGatewayCall extends GatewayCall implements Reply<unknown> {
  private request: Buffer | undefined;
  private badBody: GrpcStatus | undefined;

  constructor(
    context: GatewayContext,
    client: ClientSide,
    schema: MethodSchema,
    private readonly method: UnaryMethod | UnimplementedMethod,
  ) {
    super(context, client, schema, method.stats);
    context.calls.addUnaryCall(this);
  }

  send(response: unknown): void {
    if (this.isOver || this.method.kind !== "unary") return;
    if (this.method.isRead && !this.client.account.hasRoom) {
      this.fail(new ServerError("too-many-requests", "clients do not read their answers"));
      return;
    }
    try {
      const message = this.method.encode(response);
      this.stats.countSent(1, message.length);
      if (message.length <= maxBytesAtOnce) this.answer([jsonOf(message, this.schema.response)]);
      else this.writeSlices(message);
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error: unknown): void {
    this.failWith(error);
  }

  endWith(status: GrpcStatus): void {
    if (this.endOnce(status.code)) sendStatus(this.client, status);
  }

  protected override onRequest(message: Buffer): void {
    this.request = message;
    this.hasBody = true; // a second request is ignored
    if (!this.client.endsBody) this.handle();
  }

  protected override onAllRead(): void {
    if (this.badBody !== undefined) this.endWith(this.badBody);
    else if (this.client.endsBody) this.handle();
  }

  protected override onBadBody(status: GrpcStatus): void {
    this.badBody = status; // reported at the end of the body: most clients do not read before
    if (!this.client.endsBody) this.endWith(status);
  }

  protected override onOver(): void {
    this.request = undefined;
  }

  private handle(): void {
    this.endBodyTimer();
    const { method, request = noBytes } = this;
    this.countStart();
    this.stats.countReceived(request.length);
    try {
      if (method.kind === "unimplemented") throw unknownMethod(method);
      method.handle(this, decodeWith(method.decode, request, "unary"), method.answer(this));
    } catch (error) {
      this.fail(error);
    }
  }

  private writeSlices(message: Uint8Array): void {
    const slices = jsonSlices(message, this.schema.response);
    const go = (): void => {
      if (this.isOver) return;
      try {
        const { done, value } = slices.next();
        if (done === true) this.answer(value);
        else this.context.clock.soon(go);
      } catch (error) {
        this.fail(error);
      }
    };
    go();
  }

  private answer(pieces: readonly string[]): void {
    if (!this.endOnce(statusCode.ok)) return;
    const { account } = this.client;
    let bytes = 0;
    for (const { length } of pieces) bytes += length;
    account.keep(bytes);
    this.client.answer(200, answerFields, pieces, () => account.release(bytes));
  }
}

/** Returns the error of an unknown method, with the text of grpc-go. */
export const unknownMethod = ({ path }: Pick<Method, "path">): RpcError => {
  const [, service = "", name = ""] = path.split("/");
  return new RpcError({ code: statusCode.unimplemented, details: `unknown method ${name} for service ${service}` });
};

/** Answers with an error. */
export const sendStatus = (client: ClientSide, status: GrpcStatus): void =>
  client.answer(httpStatusOf(status), errorFields(status), [statusJson(status)], () => undefined);

// Calls for the handlers of grpc-js: they know their connection, and accept one request as grpc-go does.

import { ServerInterceptingCall, status as grpcStatus, type ServerInterceptor } from "@grpc/grpc-js";
import { type InterceptedCall, sendFromFrame } from "../../rpc/index.js";
import type { UntakenOfConnection } from "../engine/index.js";

type CallStatus = Parameters<InterceptedCall["sendStatus"]>[0];
type CallListener = Parameters<InterceptedCall["start"]>[0];

/** Creates the interceptor of one connection. Handlers of its calls get `name` from `getPeer()`. */
export const connectionCalls =
  (name: string, untaken: UntakenOfConnection): ServerInterceptor =>
  (method, call) => {
    if (method.requestStream) return new ConnectionCall(call, name);
    return method.responseStream
      ? new OneRequestCall(call, name, noRequestOfStream)
      : new UnaryConnectionCall(call, name, untaken);
  };

class ConnectionCall extends ServerInterceptingCall {
  constructor(
    protected readonly call: InterceptedCall,
    private readonly connection: string,
  ) {
    super(call);
  }

  override getPeer(): string {
    return this.connection;
  }
}

/** Uses the first request, and answers a call without any, as grpc-go does. */
class OneRequestCall extends ConnectionCall {
  constructor(
    call: InterceptedCall,
    connection: string,
    private readonly noRequest: CallStatus,
  ) {
    super(call, connection);
  }

  override start(listener: CallListener): void {
    let hasRequest = false;
    this.call.start({
      onReceiveMetadata: (metadata) => listener.onReceiveMetadata(metadata),
      onReceiveMessage: (message: unknown) => {
        if (hasRequest)
          this.call.startRead(); // drops the request
        else {
          hasRequest = true;
          listener.onReceiveMessage(message);
        }
      },
      onReceiveHalfClose: () => {
        if (hasRequest) listener.onReceiveHalfClose();
        else this.call.sendStatus(this.noRequest);
      },
      onCancel: () => {
        this.onOver();
        listener.onCancel();
      },
    });
  }

  /** Called when the client has read the answer, or will not read it. */
  protected onOver(): void {
    // nothing is retained
  }
}

/** A call whose answer is counted until its client has read it. */
class UnaryConnectionCall extends OneRequestCall {
  private kept = 0;
  private isOver = false;

  constructor(
    call: InterceptedCall,
    connection: string,
    private readonly untaken: UntakenOfConnection,
  ) {
    super(call, connection, noRequestOfUnary);
  }

  override sendMessage(message: Buffer, onSent: () => void): void {
    if (this.isOver) return;
    this.kept = message.length;
    this.untaken.keep(this.kept);
    sendFromFrame(this.call, message);
    this.call.sendMessage(message, onSent);
  }

  protected override onOver(): void {
    this.isOver = true;
    this.untaken.release(this.kept);
    this.kept = 0;
  }
}

const noRequestOfUnary = { code: grpcStatus.UNKNOWN, details: "EOF" };
const noRequestOfStream = {
  code: grpcStatus.INTERNAL,
  details: "cardinality violation: received no request message from non-client-streaming RPC",
};

// A unary call over one connection: its end, and when to try another server.
import type { Client as GrpcClient, ClientUnaryCall, ServiceError } from "@grpc/grpc-js";
import { cancelCall } from "./cancel.js";
import type { CallLimits, UnaryMethod } from "./methods.js";
import { onAbort } from "./timers.js";
import { EtcdError, errorFromFailure, type EtcdErrorCode } from "./errors.js";

/**
 * Share of its time after which a read is tried elsewhere as well, and a write whose server has fallen silent is given up.
 * A server that is slow with a read may yet answer first.
 */
const patience = 0.5;

/** A try of a read at one server; others may follow when it is slow. */
export interface ReadTry {
  /** Called once per period while the server is silent or half of the time is over. */
  readonly onSlow: () => void;
  /** Gives this try up. Set by the call. */
  cancel: () => void;
}

/** A unary gRPC call to one server. */
export class UnaryCall<Request, Response> {
  private readonly call: ClientUnaryCall;
  private readonly startedAt = Date.now();
  private isGivenUp = false;

  /** @param onEnd called once, with a response or without */
  constructor(
    grpc: GrpcClient,
    private readonly endpoint: string,
    private readonly method: UnaryMethod<Request, Response>,
    request: Request,
    private readonly limits: CallLimits,
    onEnd: (failure: ServiceError | null, response: Response | undefined) => void,
    private readonly readTry?: ReadTry,
  ) {
    const { signal, deadline } = limits;
    const { path, encode, decode } = method;
    this.call = grpc.makeUnaryRequest(path, encode, decode, request, { deadline }, (failure, response) => {
      signal?.removeEventListener("abort", this.cancel);
      onEnd(failure, response);
    });
    if (readTry !== undefined) readTry.cancel = this.cancel;
    if (signal !== undefined) onAbort(signal, this.cancel);
  }

  readonly cancel = (): void => cancelCall(this.call);

  /** Called once per period. */
  check(isSilent: boolean, hasAlternative: () => boolean): void {
    const { deadline } = this.limits;
    const isHalfOver = Date.now() >= this.startedAt + (deadline - this.startedAt) * patience;
    if (this.method.kind === "read") {
      if (isSilent || isHalfOver) this.readTry?.onSlow();
    } else if (isSilent && isHalfOver && hasAlternative()) {
      this.isGivenUp = true;
      this.cancel();
    }
  }

  /** Whether this end was decided here, and not by the server or the connection. */
  isOurs(failure: ServiceError | null): boolean {
    return this.isGivenUp || this.limits.signal?.aborted === true || isDeadline(failure);
  }

  /** @param isClosed whether the client was closed */
  errorFrom(failure: ServiceError | null, isClosed: boolean): EtcdError {
    const { signal, deadline } = this.limits;
    if (signal?.aborted) return this.noAnswer("cancelled", "the request was given up", signal.reason);
    if (isClosed) return this.noAnswer("cancelled", "the client was closed", failure);
    if (this.isGivenUp) return this.noAnswer("unavailable", "the server has fallen silent", failure);
    if (failure === null) return this.noAnswer("internal", "there was no error either", failure);
    if (isDeadline(failure))
      return this.noAnswer("deadline-exceeded", `${deadline - this.startedAt} ms are over`, failure);
    return errorFromFailure(failure, this.method.kind, this.endpoint);
  }

  private noAnswer(code: EtcdErrorCode, reason: string, cause: unknown): EtcdError {
    const { endpoint, method } = this;
    const text = `No answer from ${endpoint}: ${reason}`;
    if (method.kind === "read") return new EtcdError(code, text, "failed", endpoint, { cause });
    return new EtcdError(code, `${text}; whether it did the write is unknown`, "unknown", endpoint, { cause });
  }
}

/** Whether grpc-js has given a call up at its deadline. Servers use other words. */
const isDeadline = (failure: Partial<ServiceError> | null): boolean =>
  failure?.details?.startsWith("Deadline exceeded") === true;

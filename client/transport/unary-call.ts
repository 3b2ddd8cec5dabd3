// A unary call over one connection: its end, and when to try another server.
import type { Channel, ChannelCall } from "./channel.js";
import { machineClock, type Clock } from "./clock.js";
import type { CallLimits, UnaryMethod } from "./methods.js";
import { onAbort } from "./on-abort.js";
import type { EtcdErrorCode } from "./codes.js";
import { EtcdError, errorFromFailure } from "./errors.js";
import type { Login } from "./login.js";
import type { PendingItem } from "./pending-list.js";

/** Share of a read's timeout after which the read is also sent to another server; the slow server may still answer first. */
const readRetryShare = 0.5;

/**
 * Share of a write's timeout after which the write is given up if its server is silent: with the default timeout of 5 s, within
 * 1.75 s, including a period of the timer.
 */
const writeRetryShare = 0.3;

/**
 * A server may consider the timeout passed this much before our deadline: the timeout is sent in whole milliseconds, and the
 * server's clock has whole milliseconds.
 */
const deadlineRoundingMs = 1;

/** An attempt of a read at one server; another may follow when it is slow. */
export interface ReadTry {
  /** Called once per period while the server is silent or half of the timeout has passed. */
  onSlow(): void;
  /** The call of this attempt, by which it is given up. Set by the call. */
  call: Pick<ChannelCall, "cancel"> | undefined;
}

/** The server that a call goes to. */
export interface CalledServer {
  readonly channel: Channel;
  readonly endpoint: string;
  readonly clock: Clock;
  /** Undefined: requests carry no token. */
  readonly login: Login | undefined;
}

/** Receives the end of a call. Implemented by existing objects, because a function for each call would take more memory. */
export interface CallEnd<Response> {
  /** Called once, with an error or with the response. */
  onEnd(error: EtcdError | undefined, response: Response | undefined): void;
}

/** The connection of a call; `Connection` implements it. */
export interface CallingConnection {
  /** Whether the client was closed. */
  readonly isClosed: boolean;
  /** A call has ended. @param isAnswered whether its end shows that the server is alive */
  onCallEnd(call: PendingItem, isAnswered: boolean): void;
}

/** A unary gRPC call to one server. */
export class UnaryCall<Request, Response> implements PendingItem {
  isListed = false;
  before: PendingItem | undefined = undefined;
  after: PendingItem | undefined = undefined;
  private call: ChannelCall | undefined = undefined;
  private cancelOnAbort: (() => void) | undefined = undefined;
  private isGivenUp = false;
  private isTimeOver = false;
  private isCanceled = false;

  constructor(
    private readonly server: CalledServer,
    private readonly connection: CallingConnection,
    private readonly method: UnaryMethod<Request, Response>,
    private readonly limits: CallLimits,
    private readonly caller: CallEnd<Response>,
    private readonly startedAt: number,
    private readonly readTry?: ReadTry,
  ) {
    if (readTry !== undefined) readTry.call = this;
  }

  /** Sends the request; the call may be canceled from now on. */
  sendRequest(request: Request): void {
    const { channel, clock, login } = this.server;
    const { signal, deadline } = this.limits;
    // The transport sends the timeout to the server. grpc-js also enforces it, but by the machine's clock, so it is not sent
    // with another clock.
    const sentTimeoutMs = clock === machineClock ? deadline - this.startedAt : undefined;
    const onEnd = (failure: Error | null, response: Response | undefined): void => this.endCall(failure, response);
    this.call = channel.unary(this.method, request, sentTimeoutMs, onEnd, login?.metadata);
    if (signal === undefined) return;
    this.cancelOnAbort = () => this.cancel();
    onAbort(signal, this.cancelOnAbort);
  }

  get deadline(): number {
    return this.limits.deadline;
  }

  cancel(): void {
    this.isCanceled = true;
    this.call?.cancel();
  }

  /** Ends the call at its deadline. */
  expire(): void {
    this.isTimeOver = true;
    this.cancel();
  }

  /** Does nothing: a call may end on a connection to a removed endpoint. */
  retire(): void {
    return;
  }

  /** Called once per period. */
  check(isSilent: boolean, hasAlternative: () => boolean): void {
    const { deadline } = this.limits;
    const usedShare = (this.server.clock.now() - this.startedAt) / (deadline - this.startedAt);
    if (this.method.kind === "read") {
      if (isSilent || usedShare >= readRetryShare) this.readTry?.onSlow();
    } else if (isSilent && usedShare >= writeRetryShare && hasAlternative()) {
      this.isGivenUp = true;
      this.cancel();
    }
  }

  private endCall(failure: Error | null, response: Response | undefined): void {
    const { connection, caller, cancelOnAbort } = this;
    if (cancelOnAbort !== undefined) this.limits.signal?.removeEventListener("abort", cancelOnAbort);
    const { isClosed } = connection; // read first: the end of this call may close the connection
    connection.onCallEnd(this, response !== undefined || !this.isOurs(failure));
    if (response !== undefined) caller.onEnd(undefined, response);
    else caller.onEnd(this.errorFrom(failure, isClosed), undefined);
  }

  /** Whether this client ended the call, not the server or the connection. */
  private isOurs(failure: Error | null): boolean {
    return this.isCanceled || this.isDeadline(failure);
  }

  /** @param isClosed whether the client was closed */
  private errorFrom(failure: Error | null, isClosed: boolean): EtcdError {
    const { signal, deadline } = this.limits;
    if (signal?.aborted) return this.noAnswerError("cancelled", "the request was given up", signal.reason);
    if (isClosed) return this.noAnswerError("cancelled", "the client was closed", failure);
    if (this.isGivenUp) return this.noAnswerError("unavailable", "the server does not answer", failure);
    if (failure === null) return this.noAnswerError("internal", "there was no error either", failure);
    if (this.isDeadline(failure) || this.isServersDeadline(failure))
      return this.noAnswerError("deadline-exceeded", `${Math.round(deadline - this.startedAt)} ms are over`, failure);
    return errorFromFailure(failure, this.method.kind, this.server.endpoint);
  }

  /** Whether this client or grpc-js gave the call up at its deadline. Servers use other texts. */
  private isDeadline(failure: (Error & { readonly details?: unknown }) | null): boolean {
    if (this.isTimeOver) return true;
    return typeof failure?.details === "string" && failure.details.startsWith("Deadline exceeded");
  }

  /** Whether the server gave the call up at its deadline: grpc-go then resets the stream, perhaps before the timer here fires. */
  private isServersDeadline(failure: (Error & { readonly details?: unknown }) | null): boolean {
    const { clock } = this.server;
    return failure?.details === "Call cancelled" && clock.now() >= this.limits.deadline - deadlineRoundingMs;
  }

  private noAnswerError(code: EtcdErrorCode, reason: string, cause: unknown): EtcdError {
    const { endpoint } = this.server;
    const { method } = this;
    const text = `No answer from ${endpoint}: ${reason}`;
    if (method.kind === "read") return new EtcdError(code, text, "failed", endpoint, { cause });
    return new EtcdError(code, `${text}; whether the write was carried out is unknown`, "unknown", endpoint, { cause });
  }
}

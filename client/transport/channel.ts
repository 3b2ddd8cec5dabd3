// The seam between the client and the library that carries its calls: channels to endpoints, and the transport that opens them.
import type { StreamMethod, UnaryMethod } from "./methods.js";
import type { ClientTls } from "./tls.js";

/** The state of a channel. @see gRPC, connectivity semantics */
export type ChannelState = "idle" | "connecting" | "ready" | "transient-failure";

/** Settings of a channel; sizes are in bytes. @see ClientOptions */
export interface ChannelSettings {
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly maxReceiveBytes: number;
  readonly maxSendBytes: number;
  /** TLS for endpoints that need it, and for those that do not say. */
  readonly tls?: ClientTls | undefined;
}

/** A status other than OK, with which a call ends. @see gRPC, status codes */
export class StatusError extends Error {
  override readonly name = "StatusError";
  /** @param code a number of gRPC's */
  constructor(
    readonly code: number,
    readonly details: string,
  ) {
    super(details);
  }
}

/** A call that is under way. */
export interface ChannelCall {
  /** Gives the call up: it ends with CANCELLED, unless it has ended. Leaves nothing of it on the connection. May be called twice. */
  cancel(): void;
}

/** A stream in both directions that is under way. */
export interface ChannelStream<Request> extends ChannelCall {
  send(request: Request): void;
  /** Tells the server that no further request comes. Absent: this transport cannot, and has no methods that need it. */
  finish?(): void;
  /** Has the server wait with further answers, but for a few that are on their way. Absent: this transport cannot. */
  pause?(): void;
  /** Ends a pause. Does nothing where there is none. */
  resume?(): void;
}

/**
 * A connection to one endpoint, made when it is asked for and again when it breaks. Calls are made while it is `ready`; on
 * another one they fail. All callbacks come after the method that was given them has returned.
 */
export interface Channel {
  readonly state: ChannelState;
  /** Starts connecting, unless that is done or under way. */
  connect(): void;
  /** Sets the one listener of changes of `state`. */
  onStateChange(listener: () => void): void;
  /**
   * Sets the one listener of the end of a server's life: another one takes its place, and no request of before may reach it. A
   * transport to real servers never knows, and need not have this.
   */
  onReplaced?(listener: (failure: StatusError) => void): void;
  /** Resolves to the reason why there is no connection. Called in `transient-failure`. */
  failureReason(): Promise<string>;
  /**
   * Makes a call with one request and one response.
   *
   * @param timeoutMs time that the server is told it has; undefined: not told. The caller keeps the time itself
   * @param onEnd called once: with the response, or with a failure that has gRPC's `code` and `details`, as StatusError does
   * @param metadata sent with the request; absent: none
   */
  unary<Request, Response>(
    method: Omit<UnaryMethod<Request, Response>, "kind">,
    request: Request,
    timeoutMs: number | undefined,
    onEnd: (failure: Error | null, response: Response | undefined) => void,
    metadata?: Readonly<Record<string, string>>,
  ): ChannelCall;
  /**
   * Opens a stream in both directions.
   *
   * @param onEnd called at least once at the end; undefined: the server has ended it in good order
   */
  bidi<Request, Response>(
    method: StreamMethod<Request, Response>,
    metadata: Readonly<Record<string, string>>,
    onMessage: (response: Response) => void,
    onEnd: (failure: Error | undefined) => void,
  ): ChannelStream<Request>;
  /** Ends all calls and streams, and the connection. */
  close(): void;
}

/** Opens channels: over sockets by default, in the same process in tests. Failover, deadlines and retries are above it. */
export interface Transport {
  /**
   * Opens a channel, which does not connect yet.
   *
   * @throws TypeError if it is not an endpoint of this transport
   */
  open(endpoint: string, settings: ChannelSettings): Channel;
}

// The interface between the client and the library that carries its calls: channels to endpoints, and the transport that opens
// them.
import type { StreamMethod, UnaryMethod } from "./methods.js";
import type { ClientTls } from "./tls.js";

/** The state of a channel. @see gRPC, connectivity semantics */
export type ChannelState = "idle" | "connecting" | "ready" | "transient-failure";

/** Settings of a channel, from the options `keepalive`, `messages` and `tls` of a client; sizes are in bytes. @see ClientOptions */
export interface ChannelSettings {
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly maxReceiveBytes: number;
  readonly maxSendBytes: number;
  /** TLS for `https` endpoints, and for endpoints without a scheme. */
  readonly tls?: ClientTls | undefined;
}

/** A status other than OK, with which a call ends. @see gRPC, status codes */
export class StatusError extends Error {
  override readonly name = "StatusError";
  /** @param code gRPC's number of the status */
  constructor(
    readonly code: number,
    readonly details: string,
  ) {
    super(details);
  }
}

/** A call in flight. */
export interface ChannelCall {
  /**
   * Gives the call up: it ends with CANCELLED, unless it has ended. Nothing of the call remains on the connection. May be called
   * twice.
   */
  cancel(): void;
}

/** An open stream in both directions. */
export interface ChannelStream<Request> extends ChannelCall {
  send(request: Request): void;
  /** Tells the server that no further request follows. Absent: the transport does not support it, and has no methods that need it. */
  endRequests?(): void;
  /** Makes the server wait before it sends more answers; a few in flight still arrive. Absent: the transport does not support it. */
  pause?(): void;
  /** Ends a pause. Does nothing without a pause. */
  resume?(): void;
}

/**
 * A channel to one endpoint. It connects when `connect` is called, and again when the connection breaks. Calls need the state
 * `ready`; in other states they fail. No callback is called before the method that it was passed to has returned.
 */
export interface Channel {
  readonly state: ChannelState;
  /** Starts connecting, unless the channel is connected or connecting. */
  connect(): void;
  /** Sets the listener of changes of `state`; there is only one. */
  onStateChange(listener: () => void): void;
  /**
   * Sets the listener of a replacement of the server by another one that no earlier request may reach; there is only one
   * listener. Only the transport of tests implements it: over a network, a replacement cannot be detected.
   */
  onReplaced?(listener: (failure: StatusError) => void): void;
  /** Resolves to the reason why there is no connection. Called in `transient-failure`. */
  failureReason(): Promise<string>;
  /**
   * Makes a call with one request and one response.
   *
   * @param timeoutMs the timeout that is sent to the server; undefined: none is sent. The caller must enforce the timeout
   * itself
   * @param onEnd called once, with the response, or with a failure that has gRPC's `code` and `details`, like StatusError
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
   * @param onEnd called at least once at the end; undefined: the server has ended the stream without an error
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

/** Opens channels: over sockets by default, in the same process in tests. Failover, deadlines and retries are implemented above it. */
export interface Transport {
  /**
   * Opens a channel, which does not connect yet.
   *
   * @throws TypeError if `endpoint` is not an endpoint of this transport
   */
  open(endpoint: string, settings: ChannelSettings): Channel;
}

// One endpoint, the connection to it, and calls and streams over it.
import { Client as GrpcClient, connectivityState, credentials, type ServiceError } from "@grpc/grpc-js";
import { setMaxListeners } from "node:events";
import { HealthDefinition, type MessageFns, socketPathProblem } from "../proto/index.js";
import { cancelCall } from "./cancel.js";
import { EtcdError, errorFromFailure, notSent, type RequestKind } from "./errors.js";
import type { Settings } from "./options.js";
import { Stream, type StreamEvents, type StreamMethod } from "./stream.js";

/** A method of a service, as the wire wants it. */
export interface UnaryMethod<Request, Response> {
  readonly path: string;
  readonly kind: RequestKind;
  readonly encode: (request: Request) => Buffer;
  readonly decode: (bytes: Buffer) => Response;
}

interface MethodDefinition<Request, Response> {
  readonly name: string;
  readonly requestType: MessageFns<Request>;
  readonly responseType: MessageFns<Response>;
}

export const unaryMethod = <Request, Response>(
  kind: RequestKind,
  service: { readonly fullName: string },
  method: MethodDefinition<Request, Response>,
): UnaryMethod<Request, Response> => ({ kind, ...streamMethod(service, method) });

export const streamMethod = <Request, Response>(
  service: { readonly fullName: string },
  { name, requestType, responseType }: MethodDefinition<Request, Response>,
): StreamMethod<Request, Response> => ({
  path: `/${service.fullName}/${name}`,
  encode: (request) => asBuffer(requestType.encode(request).finish()),
  // Over a plain view, so that keys and values come out as Uint8Array and not as Buffer.
  decode: (bytes) => responseType.decode(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)),
});

const asBuffer = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

export interface CallLimits {
  /** Milliseconds since the epoch. */
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * The name grpc-js knows an endpoint by.
 *
 * @throws TypeError if it is not an endpoint, or one that needs TLS
 */
export function targetOf(endpoint: string): string {
  const refuse = (reason: string): never => {
    throw new TypeError(`Cannot use endpoint "${endpoint}": ${reason}`);
  };
  const [, scheme, rest = ""] = /^(?:([a-z]+):(?:\/\/)?(?!\d+$))?(.*)$/s.exec(endpoint) ?? [];
  if (scheme === "https" || scheme === "unixs") refuse("TLS is not supported yet");
  if (scheme === "unix") {
    const problem = rest === "" ? "the path is missing" : socketPathProblem(rest);
    return problem === undefined ? `unix:${rest}` : refuse(problem);
  }
  if (scheme !== undefined && scheme !== "http") refuse(`unknown scheme "${scheme}"`);
  const [, host, port] = /^([^/:[\]]+|\[[\da-fA-F:.]+\]):(\d{1,5})\/?$/.exec(rest) ?? [];
  if (host === undefined || Number(port) > 65_535) refuse("expected host:port, http://host:port or unix:path");
  return `dns:${host}:${port}`;
}

/** While a server is away: the first attempt to come back to it, and the longest pause between attempts. */
const reconnectMs = { first: 100, longest: 3_000 };

/** How long grpc-js may take to say why a connection it gave up on could not be made. */
const reasonTimeoutMs = 100;

/** Calls `listener` once `signal` is raised, now if it is already. Any number of requests may share a signal. */
export function onAbort(signal: AbortSignal, listener: () => void): void {
  setMaxListeners(Infinity, signal); // Node takes more than ten for a leak, and warns
  signal.addEventListener("abort", listener);
  if (signal.aborted) listener();
}

/** A timer of Node's cannot wait longer, and fires at once if told to. */
const longestTimerMs = 2 ** 31 - 1;
export const asTimer = (milliseconds: number) => Math.min(milliseconds, longestTimerMs);

/** Whether a request was given up by grpc-js, at its own deadline: servers use other words. */
const isDeadline = ({ details }: Partial<ServiceError>): boolean => details?.startsWith("Deadline exceeded") === true;

const check = unaryMethod("read", HealthDefinition, HealthDefinition.methods.check);

/** Connects when first told to, and from then on again whenever told to. */
export class Connection {
  private readonly grpc: GrpcClient;
  private readonly pending = new Set<() => void>();
  private closed = false;
  private watching = false;

  /** @param onUp called each time the connection has come up */
  constructor(
    readonly endpoint: string,
    settings: Settings,
    private readonly onUp: () => void,
  ) {
    this.grpc = new GrpcClient(targetOf(endpoint), credentials.createInsecure(), {
      "grpc.initial_reconnect_backoff_ms": reconnectMs.first,
      "grpc.max_reconnect_backoff_ms": reconnectMs.longest,
      "grpc.keepalive_time_ms": asTimer(settings.keepaliveTimeMs),
      "grpc.keepalive_timeout_ms": asTimer(settings.keepaliveTimeoutMs),
      "grpc.max_receive_message_length": settings.maxReceiveBytes,
      "grpc.max_send_message_length": settings.maxSendBytes,
      // Sharing connections with another client of the process would share its keepalive and its closing.
      "grpc.use_local_subchannel_pool": 1,
      // A proxy from the environment is meant for the web; through it, not even 127.0.0.1 is reached.
      "grpc.enable_http_proxy": 0,
      "grpc.service_config_disable_resolution": 1,
    });
  }

  get isUp(): boolean {
    return !this.closed && this.state() === connectivityState.READY;
  }

  /** Starts connecting, unless that is done or under way. */
  connect(): void {
    if (this.closed) return;
    this.state(true);
    if (!this.watching) this.watch();
  }

  /** Why `isUp` is false. */
  async reason(): Promise<string> {
    if (this.state() !== connectivityState.TRANSIENT_FAILURE) return "no answer";
    // grpc-js tells only a call why there is no connection for it, and tells that one at once.
    const limits = { deadline: Date.now() + reasonTimeoutMs, signal: undefined };
    try {
      await this.call(check, { service: "" }, limits);
      return "the server has just come up";
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      return error.message.replace(/^.*Last error: (?:Error: )?|\. Resolution note:.*$/gs, "");
    }
  }

  /** @throws EtcdError if the request does not succeed */
  call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    { deadline, signal }: CallLimits,
  ): Promise<Response> {
    const { endpoint, pending } = this;
    const outcome = method.kind === "read" ? "failed" : "unknown";
    const fail = (code: "cancelled" | "deadline-exceeded", reason: string, cause?: unknown) =>
      new EtcdError(code, `No answer from ${endpoint}: ${reason}`, outcome, endpoint, { cause });
    // Between a look at `isUp` and this call, there may have been a turn in which either happened.
    if (this.closed || signal?.aborted) return Promise.reject(notSent(signal));
    const startedAt = Date.now();
    if (startedAt >= deadline)
      return Promise.reject(new EtcdError("deadline-exceeded", "No time was left to send the request", "failed"));
    return new Promise((resolve, reject) => {
      const done = (failure: ServiceError | null, response?: Response) => {
        pending.delete(cancel);
        signal?.removeEventListener("abort", cancel);
        if (response !== undefined) resolve(response);
        else if (signal?.aborted) reject(fail("cancelled", "the request was given up", signal.reason));
        else if (this.closed) reject(fail("cancelled", "the client was closed"));
        else if (failure === null) reject(new EtcdError("internal", "No answer and no error", outcome, endpoint));
        else if (isDeadline(failure)) reject(fail("deadline-exceeded", `${deadline - startedAt} ms are over`, failure));
        else reject(errorFromFailure(failure, method.kind, endpoint));
      };
      const call = this.grpc.makeUnaryRequest(method.path, method.encode, method.decode, request, { deadline }, done);
      const cancel = () => cancelCall(call);
      pending.add(cancel);
      if (signal !== undefined) onAbort(signal, cancel);
    });
  }

  /**
   * Opens a stream, which lasts until either side ends it.
   *
   * @throws EtcdError "cancelled" if the client is closed
   */
  open<Request, Response>(
    method: StreamMethod<Request, Response>,
    events: StreamEvents<Response>,
  ): Stream<Request, Response> {
    if (this.closed) throw notSent(undefined);
    const { endpoint, grpc, pending } = this;
    const onEnd = (error: EtcdError) => {
      pending.delete(cancel);
      events.onEnd(error);
    };
    const stream = new Stream(grpc, method, endpoint, { onMessage: events.onMessage, onEnd });
    const cancel = () => stream.end(new EtcdError("cancelled", "The client was closed", "failed"));
    pending.add(cancel);
    return stream;
  }

  /** Ends all calls and streams, and the connection. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const cancel of this.pending) cancel();
    this.grpc.close();
  }

  private state(connect = false): connectivityState {
    return this.grpc.getChannel().getConnectivityState(connect);
  }

  private watch(): void {
    this.watching = true;
    this.grpc.getChannel().watchConnectivityState(this.state(), Infinity, () => {
      this.watching = false;
      if (this.closed) return;
      if (this.isUp) this.onUp();
      this.watch();
    });
  }
}

// An endpoint, the connection to it, and calls and streams over it.
import { Client as GrpcClient, connectivityState, credentials, type ServiceError } from "@grpc/grpc-js";
import { HealthDefinition, socketPathProblem } from "../../proto/index.js";
import { asTimer, type Clock } from "./clock.js";
import { cancelCall } from "./cancel.js";
import { EtcdError, notSent } from "./errors.js";
import { Liveness, type ProbedServer } from "./liveness.js";
import { unaryMethod, type CallLimits, type StreamMethod, type UnaryMethod } from "./methods.js";
import type { Settings } from "./options.js";
import { UnaryCall, type CalledServer, type ReadTry } from "./unary-call.js";
import { Stream, type StreamEvents } from "./stream.js";

/** The user of a connection. */
export interface ConnectionOwner {
  /** Handles a connection that has come up. */
  onUp(): void;
  /** Tells whether another connection could be used instead. */
  hasAlternative(connection: Connection): boolean;
}

/** A call or a stream that has not ended. */
interface Pending {
  cancel(): void;
  /** Goes elsewhere if it is time. Called once per period. */
  check(isSilent: boolean, hasAlternative: () => boolean): void;
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

/** Pauses between attempts to reconnect: the first, and the longest. */
const reconnectMs = { first: 100, longest: 3_000 };

/** Time for grpc-js to say why a connection could not be made. */
const reasonTimeoutMs = 100;

const check = unaryMethod("read", HealthDefinition, HealthDefinition.methods.check);

/** Connects when first told to, and from then on again whenever told to. */
export class Connection implements ProbedServer {
  private readonly grpc: GrpcClient;
  /** The server at the other end, as calls see it. */
  private readonly server: CalledServer;
  private readonly liveness: Liveness;
  private readonly pending = new Set<Pending>();
  private closed = false;
  private watching = false;

  constructor(
    readonly endpoint: string,
    settings: Settings,
    private readonly clock: Clock,
    private readonly owner: ConnectionOwner,
  ) {
    this.liveness = new Liveness(clock, this);
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
    this.server = { grpc: this.grpc, endpoint, clock };
  }

  /** Whether the server answers nothing at all, although the connection is up. */
  get isSilent(): boolean {
    return this.liveness.isSilent;
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

  /** Resolves to the reason why `isUp` is false. */
  async reason(): Promise<string> {
    if (this.state() !== connectivityState.TRANSIENT_FAILURE) return "no answer";
    // grpc-js tells only a call why there is no connection for it, and tells that one at once.
    const limits = { deadline: this.clock.now() + reasonTimeoutMs, signal: undefined };
    try {
      await this.call(check, { service: "" }, limits);
      return "the server has just come up";
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      return error.message.replace(/^.*Last error: (?:Error: )?|\. Resolution note:.*$/gs, "");
    }
  }

  /** @returns false if a write should wait for `confirmed`: too many others were sent since the server last answered */
  admitWrite(): boolean {
    return this.liveness.admitWrite();
  }

  /** Waits until the server has shown that it is there. It may also be silent, or gone, by then. */
  confirmed(limits: CallLimits): Promise<void> {
    return this.liveness.confirmed(limits);
  }

  /** @throws EtcdError if the request does not succeed */
  call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    limits: CallLimits,
    readTry?: ReadTry,
  ): Promise<Response> {
    const { pending, liveness } = this;
    // Between a look at `isUp` and this call, there may have been a turn in which either happened.
    if (this.closed || limits.signal?.aborted) return Promise.reject(notSent(limits.signal));
    if (this.clock.now() >= limits.deadline) return Promise.reject(this.tooLate());
    return new Promise((resolve, reject) => {
      const onEnd = (failure: ServiceError | null, response: Response | undefined) => {
        pending.delete(call);
        liveness.callEnds();
        if (response !== undefined || (this.isUp && !call.isOurs(failure))) liveness.heard();
        if (response !== undefined) resolve(response);
        else reject(call.errorFrom(failure, this.closed));
      };
      const call = new UnaryCall(this.server, method, request, limits, onEnd, readTry);
      pending.add(call);
      liveness.callBegins();
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
    const { endpoint, grpc, pending, liveness } = this;
    const stream = new Stream(grpc, method, endpoint, liveness, {
      onMessage: events.onMessage,
      onEnd: (error: EtcdError) => {
        if (pending.delete(entry)) liveness.streamEnds();
        events.onEnd(error);
      },
    });
    const cancel = () => stream.end(new EtcdError("cancelled", "The client was closed", "failed"));
    const check = (isSilent: boolean, hasAlternative: () => boolean) => {
      if (isSilent && hasAlternative()) stream.breakOff("the server has fallen silent");
    };
    const entry: Pending = { cancel, check };
    pending.add(entry);
    liveness.streamBegins();
    return stream;
  }

  /** Ends all calls and streams, and the connection. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const each of this.pending) each.cancel();
    this.liveness.stop();
    this.grpc.close();
  }

  /** Requests that wait for `confirmed` look for a server again. */
  reconsider(): void {
    this.liveness.reconsider();
  }

  /** Sends the server a health check. Any answer will do, also that there is no such service. One that is slow with others answers this at once. */
  probe(): void {
    const { liveness, pending } = this;
    if (!this.isUp) return liveness.probeEnded();
    const done = () => {
      pending.delete(entry);
      liveness.probeEnded();
      if (this.isUp) liveness.heard();
    };
    const call = this.grpc.makeUnaryRequest(check.path, check.encode, check.decode, { service: "" }, {}, done);
    const entry: Pending = { cancel: () => cancelCall(call), check: () => undefined };
    pending.add(entry);
  }

  /** Checks all calls and streams that have not ended. */
  checkPending(): void {
    for (const each of this.pending) each.check(this.isSilent, this.hasAlternative);
  }

  private readonly hasAlternative = (): boolean => this.owner.hasAlternative(this);

  private tooLate(): EtcdError {
    const reason = this.isSilent ? "the server has fallen silent" : "no time was left";
    return new EtcdError(
      "deadline-exceeded",
      `Nothing was sent to ${this.endpoint}: ${reason}`,
      "failed",
      this.endpoint,
    );
  }

  private state(connect = false): connectivityState {
    return this.grpc.getChannel().getConnectivityState(connect);
  }

  private watch(): void {
    this.watching = true;
    this.grpc.getChannel().watchConnectivityState(this.state(), Infinity, () => {
      this.watching = false;
      if (this.closed) return;
      this.liveness.connectionChanged(this.isUp);
      if (this.isUp) this.owner.onUp();
      this.watch();
    });
  }
}

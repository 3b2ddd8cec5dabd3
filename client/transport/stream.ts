// A bidirectional stream over one connection.
import type { ChannelStream } from "./channel.js";
import { EtcdError, errorFromFailure } from "./errors.js";
import type { Liveness } from "./liveness.js";
import type { StreamMethod } from "./methods.js";
import type { PendingItem } from "./pending-list.js";
import type { CalledServer } from "./unary-call.js";

/** Receives the events of a stream. */
export interface StreamEvents<Response> {
  onMessage(response: Response): void;
  /** Called once, after all other events; also when the server ends the stream without an error. */
  onEnd(error: EtcdError): void;
}

/** The connection of a stream; `Connection` implements it. */
export interface StreamConnection {
  /** Called once, before the stream reports its end. */
  onStreamEnd(stream: PendingItem): void;
}

/** The server has ended the stream without an error, which counts as a failure of a stream that should last. */
export class StreamFinishedError extends EtcdError {}

/** Metadata by which a member that has lost its leader ends the stream instead of leaving it silent. @see etcd v3 API, hasleader */
const requireLeader = { hasleader: "true" };

/** A bidirectional gRPC call to one server. */
export class Stream<Request, Response> implements PendingItem {
  isListed = false;
  before: PendingItem | undefined = undefined;
  after: PendingItem | undefined = undefined;
  readonly deadline = Infinity;
  private readonly call: ChannelStream<Request>;
  private readonly endpoint: string;
  private hasEnded = false;

  constructor(
    server: CalledServer,
    method: StreamMethod<Request, Response>,
    private readonly connection: StreamConnection,
    private readonly liveness: Pick<Liveness, "onAsk" | "onAnswer">,
    private readonly events: StreamEvents<Response>,
  ) {
    const { channel, endpoint, login } = server;
    this.endpoint = endpoint;
    const metadata = { ...requireLeader, ...login?.metadata };
    const onMessage = (response: Response) => {
      if (this.hasEnded) return;
      liveness.onAnswer();
      events.onMessage(response);
    };
    this.call = channel.bidi(method, metadata, onMessage, (failure) => {
      if (failure === undefined)
        this.endStream(new StreamFinishedError(...this.errorArgumentsOf("the server has ended the stream")));
      else this.endStream(errorFromFailure(failure, "read", endpoint));
    });
  }

  /** Sends a request; does nothing if the stream has ended, which `onEnd` reports. */
  send(request: Request): void {
    if (this.hasEnded) return;
    this.call.send(request);
    this.liveness.onAsk();
  }

  /** Tells the server that no further request follows. */
  endRequests(): void {
    if (!this.hasEnded) this.call.endRequests?.();
  }

  /** Reads no further answers until `resume`, so that the server waits; does nothing if the transport does not support it. */
  pause(): void {
    if (!this.hasEnded) this.call.pause?.();
  }

  /** Ends a pause. */
  resume(): void {
    if (!this.hasEnded) this.call.resume?.();
  }

  /** Ends the stream as if the connection had broken. */
  breakOff(reason: string): void {
    this.endStream(new EtcdError(...this.errorArgumentsOf(reason)));
  }

  private errorArgumentsOf(reason: string): ConstructorParameters<typeof EtcdError> {
    return ["unavailable", `No answer from ${this.endpoint}: ${reason}`, "failed", this.endpoint];
  }

  /** Ends the stream for this reason, unless it has ended. */
  endStream(error: EtcdError): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.call.cancel();
    this.connection.onStreamEnd(this);
    this.events.onEnd(error);
  }

  /** Ends the stream: the client was closed. */
  cancel(): void {
    this.endStream(new EtcdError("cancelled", "The client was closed", "failed"));
  }

  /** Does nothing: a stream has no deadline. */
  expire(): void {
    return;
  }

  retire(): void {
    this.breakOff("the endpoint has been given up");
  }

  check(isSilent: boolean, hasAlternative: () => boolean): void {
    if (isSilent && hasAlternative()) this.breakOff("the server does not answer");
  }
}

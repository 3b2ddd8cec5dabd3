// A bidirectional stream over one connection.
import { Metadata, type Client as GrpcClient, type ClientDuplexStream } from "@grpc/grpc-js";
import { cancelCall } from "./cancel.js";
import { EtcdError, errorFromFailure } from "./errors.js";
import type { Liveness } from "./liveness.js";
import type { StreamMethod } from "./methods.js";

/** Events of a stream. */
export interface StreamEvents<Response> {
  readonly onMessage: (response: Response) => void;
  /** Called once, at last; also when the server ends the stream in good order. */
  readonly onEnd: (error: EtcdError) => void;
}

/** A member that has lost its leader ends the stream, instead of leaving it silent. @see etcd v3 API, hasleader */
const requireLeader = (): Metadata => {
  const metadata = new Metadata();
  metadata.set("hasleader", "true");
  return metadata;
};

/** A bidirectional gRPC call to one server. */
export class Stream<Request, Response> {
  private readonly call: ClientDuplexStream<Request, Response>;
  private hasEnded = false;

  constructor(
    grpc: GrpcClient,
    { path, encode, decode }: StreamMethod<Request, Response>,
    private readonly endpoint: string,
    private readonly liveness: Pick<Liveness, "asked" | "heard">,
    private readonly events: StreamEvents<Response>,
  ) {
    this.call = grpc.makeBidiStreamRequest(path, encode, decode, requireLeader(), {});
    this.call.on("data", (response: Response) => {
      if (this.hasEnded) return;
      liveness.heard();
      events.onMessage(response);
    });
    // Also after the end: an answer that was on its way then is an error of the stream.
    this.call.on("error", (failure: Error) => this.end(errorFromFailure(failure, "read", endpoint)));
    this.call.on("status", () => this.breakOff("the server has ended the stream"));
  }

  /** Sends a request; does nothing if the stream has ended, of which `onEnd` has told. */
  send(request: Request): void {
    if (this.hasEnded) return;
    this.call.write(request);
    this.liveness.asked();
  }

  /** Ends it as if the server were gone. */
  breakOff(reason: string): void {
    this.end(new EtcdError("unavailable", `No answer from ${this.endpoint}: ${reason}`, "failed", this.endpoint));
  }

  /** Ends it for this reason, unless it has ended. */
  end(error: EtcdError): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    cancelCall(this.call);
    this.events.onEnd(error);
  }
}

import { encodeLeaseResponse, type LeaseKeepAliveRequest } from "../../proto/index.js";
import type { KeepAliveSession } from "../app/index.js";
import { type Answer, leaseIdFrom } from "../../store/index.js";
import { maxKeepAlivesPerStream, type ResultHandler, ServerError } from "../base/index.js";
import type { RequestSink, ResponseStream } from "../rpc/index.js";
import type { ResponseHeaders } from "./response-header.js";

/**
 * A LeaseKeepAlive stream: each request is answered as soon as the leader has. A request that waits for an expired lease to be
 * revoked delays no other.
 */
export class KeepAliveStream implements RequestSink<LeaseKeepAliveRequest> {
  /** Requests whose answer the client has not been given, or has not taken. */
  private waiting = 0;
  private untaken = 0;
  private hasAllRequests = false;

  constructor(
    private readonly session: KeepAliveSession,
    private readonly headers: ResponseHeaders,
    private readonly stream: ResponseStream<Uint8Array>,
  ) {
    stream.onDrain(() => (this.untaken = 0));
  }

  /** @throws ServerError if too many wait, or the client asks and takes no answers: the stream ends */
  onRequest({ ID }: LeaseKeepAliveRequest): void {
    if (this.waiting + this.untaken >= maxKeepAlivesPerStream)
      throw new ServerError("too-many-requests", `${maxKeepAlivesPerStream} keep-alives of one stream are waiting`);
    this.waiting++;
    this.session.renew(leaseIdFrom(ID), new Renewal(this, ID));
  }

  /** Answers a request. */
  onRenewed(ID: bigint, { response: seconds, revision }: Answer<bigint>): void {
    this.waiting--;
    if (!this.stream.send(encodeLeaseResponse(ID, seconds, this.headers.encodedAt(revision)))) this.untaken++;
    this.endIfDone();
  }

  /** Ends the stream. */
  fail(error: unknown): void {
    this.stream.fail(error);
  }

  onHalfClose(): void {
    this.hasAllRequests = true;
    this.endIfDone();
  }

  /** Answers to come are dropped by the stream. */
  onClosed(): void {
    this.session.close();
  }

  private endIfDone(): void {
    if (this.hasAllRequests && this.waiting === 0) this.stream.end();
  }
}

/** A request that waits for its answer. */
class Renewal implements ResultHandler<Answer<bigint>> {
  constructor(
    private readonly stream: KeepAliveStream,
    private readonly ID: bigint,
  ) {}

  onResult(answer: Answer<bigint>): void {
    this.stream.onRenewed(this.ID, answer);
  }

  onError(error: unknown): void {
    this.stream.fail(error);
  }
}

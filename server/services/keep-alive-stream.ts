import { encodeLeaseResponse, type LeaseKeepAliveRequest } from "../../proto/index.js";
import type { Application, KeepAliveSession, SessionListener } from "../app/index.js";
import { type Answer, leaseIdFrom } from "../../store/index.js";
import { type Caller, maxKeepAlivesPerStream, type ResultHandler, ServerError } from "../base/index.js";
import type { RequestSink, ResponseStream } from "../rpc/index.js";
import type { ResponseHeaders } from "./response-header.js";

/**
 * A LeaseKeepAlive stream: each request is answered as soon as the leader has answered. A request that waits for the revocation
 * of an expired lease delays no other. A failed request ends the stream, once those before it have been answered.
 */
export class KeepAliveStream implements RequestSink<LeaseKeepAliveRequest>, SessionListener {
  private readonly session: KeepAliveSession;
  /** Number of requests in progress. */
  private waiting = 0;
  /** Number of untaken answers. */
  private untaken = 0;
  /** The newest request in progress, the end of a linked list. */
  private newest: PendingRenewal | undefined = undefined;
  /** The error of the first failed request; later requests are dropped. */
  private failure: unknown = undefined;
  private hasAllRequests = false;
  private hasEnded = false;

  constructor(
    application: Pick<Application, "leaseKeepAlive">,
    caller: Caller,
    private readonly headers: ResponseHeaders,
    private readonly stream: ResponseStream<Uint8Array>,
  ) {
    this.session = application.leaseKeepAlive(caller, this);
    stream.setDrainListener(() => (this.untaken = 0));
  }

  /** @throws ServerError if too many requests are in progress, or too many answers untaken: the stream ends */
  onRequest({ ID }: LeaseKeepAliveRequest): void {
    if (this.failure !== undefined) return;
    if (this.waiting + this.untaken >= maxKeepAlivesPerStream)
      throw new ServerError("too-many-requests", `${maxKeepAlivesPerStream} keep-alives of one stream are waiting`);
    this.waiting++;
    const renewal = new PendingRenewal(this, ID, this.newest);
    this.newest = renewal;
    try {
      this.session.renew(leaseIdFrom(ID), renewal);
    } catch (error) {
      this.onRenewalFailed(renewal, error);
    }
  }

  /** Answers a request. */
  onRenewed(renewal: PendingRenewal, { response: seconds, revision }: Answer<bigint>): void {
    if (!this.remove(renewal)) return;
    const answer = encodeLeaseResponse(renewal.ID, seconds, this.headers.encodeAt(revision));
    if (!this.stream.send(answer)) this.untaken++;
    this.endIfDone();
  }

  /** Drops the failed request and all behind it. */
  onRenewalFailed(renewal: PendingRenewal, error: unknown): void {
    if (!renewal.isWaiting) return;
    this.failure = error;
    let last: PendingRenewal | undefined;
    do {
      last = this.newest;
      if (last !== undefined) this.remove(last);
    } while (last !== undefined && last !== renewal);
    this.endIfDone();
  }

  /** Ends the stream at once. */
  onError(error: unknown): void {
    this.stream.fail(error);
  }

  onHalfClose(): void {
    this.hasAllRequests = true;
    this.endIfDone();
  }

  /** The stream drops later answers. */
  onClosed(): void {
    this.session.close();
  }

  /** @returns false: the request was dropped before */
  private remove(renewal: PendingRenewal): boolean {
    if (!renewal.isWaiting) return false;
    this.waiting--;
    const { previous, next } = renewal;
    if (previous !== undefined) previous.next = next;
    if (next === undefined) this.newest = previous;
    else next.previous = previous;
    renewal.leave();
    return true;
  }

  private endIfDone(): void {
    if (this.waiting > 0 || this.hasEnded) return;
    this.hasEnded = this.failure !== undefined || this.hasAllRequests;
    if (this.failure !== undefined) this.stream.fail(this.failure);
    else if (this.hasAllRequests) this.stream.endStream();
  }
}

/** A request in progress, in a list linked both ways. */
class PendingRenewal implements ResultHandler<Answer<bigint>> {
  isWaiting = true;
  next: PendingRenewal | undefined = undefined;

  constructor(
    private readonly stream: KeepAliveStream,
    readonly ID: bigint,
    public previous: PendingRenewal | undefined,
  ) {
    if (previous !== undefined) previous.next = this;
  }

  /** Clears the links to its neighbours, which would stay in memory with it. */
  leave(): void {
    this.isWaiting = false;
    this.previous = this.next = undefined;
  }

  onResult(answer: Answer<bigint>): void {
    this.stream.onRenewed(this, answer);
  }

  onError(error: unknown): void {
    this.stream.onRenewalFailed(this, error);
  }
}

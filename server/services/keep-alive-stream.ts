import type { LeaseKeepAliveRequest, LeaseKeepAliveResponse, ResponseHeader } from "../../proto/index.js";
import { maxKeepAlivesPerStream, ServerError } from "../base/index.js";
import type { LeaderCalls } from "../lease/index.js";
import type { RequestSink, ResponseStream } from "../rpc/index.js";

export interface KeepAliveOptions {
  readonly leader: LeaderCalls;
  /** As of now. */
  readonly header: () => ResponseHeader;
}

/**
 * One LeaseKeepAlive stream: each request is answered as soon as the leader has. One that waits for an expired lease to be
 * revoked holds up no other.
 */
export class KeepAliveStream implements RequestSink<LeaseKeepAliveRequest> {
  /** Requests whose answer the client has not been given, or has not taken. */
  private waiting = 0;
  private untaken = 0;
  private hasAllRequests = false;

  constructor(
    private readonly options: KeepAliveOptions,
    private readonly stream: ResponseStream<LeaseKeepAliveResponse>,
  ) {
    stream.onDrain(() => (this.untaken = 0));
  }

  /** @throws ServerError if too many wait, or the client asks and takes no answers: the stream ends */
  onRequest({ ID }: LeaseKeepAliveRequest): void {
    if (this.waiting + this.untaken >= maxKeepAlivesPerStream)
      throw new ServerError("too-many-requests", `${maxKeepAlivesPerStream} keep-alives of one stream are waiting`);
    const header = this.options.header(); // of before: what is applied meanwhile is none of its business
    this.waiting++;
    this.options.leader.ask(
      { $case: "renewLease", value: ID },
      {
        answered: ({ value: TTL }) => this.answer({ header, ID, TTL }),
        failed: (error) => this.stream.fail(error),
      },
    );
  }

  onHalfClose(): void {
    this.hasAllRequests = true;
    this.endIfDone();
  }

  /** Answers to come are dropped by the stream. */
  readonly onClosed = (): void => undefined;

  private answer(response: LeaseKeepAliveResponse): void {
    this.waiting--;
    if (!this.stream.send(response)) this.untaken++;
    this.endIfDone();
  }

  private endIfDone(): void {
    if (this.hasAllRequests && this.waiting === 0) this.stream.end();
  }
}

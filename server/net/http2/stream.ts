import type { Labelled, ListMessage } from "../../rpc/index.js";
import { http2ErrorCode, StreamError } from "./errors.js";
import { streamWindowBytes } from "./limits.js";
import type { SendQueue } from "./send-queue.js";

/** The end of an answer: a gRPC status. */
export interface AnswerEnd {
  readonly code: number;
  readonly details: string;
}

/** The connection for its streams: sends their output. */
export interface StreamCarrier {
  /** Sends a complete answer of one message, in one piece if it is small. */
  sendAnswer(stream: ServerStream, message: Uint8Array): void;
  /** Sends a complete answer of one message in pieces, which may contain pieces again. */
  sendListAnswer(stream: ServerStream, pieces: readonly ListMessage[]): void;
  /** Sends a message as far as the windows of connection and stream permit; the rest waits in the stream's queue. */
  sendMessage(stream: ServerStream, message: Uint8Array): void;
  /** Sends a message for each label: `head`, the label, `tail`. @returns the bytes of all messages */
  sendEach(
    stream: ServerStream,
    labels: readonly Labelled[],
    from: number,
    to: number,
    head: Uint8Array,
    tail: Uint8Array,
  ): number;
  /** Sends the end of the answer, behind the queue. */
  sendEnd(stream: ServerStream, end: AnswerEnd): void;
  /** Refuses a request that is not gRPC, with a body for people. */
  sendRefusal(stream: ServerStream, httpStatus: number, end: AnswerEnd): void;
}

/**
 * A stream of a connection (RFC 9113 §5.1), from the headers of its request on; idle and closed streams have no object.
 * Subclasses serve requests and handle the events. The connection sends the frames, as it owns their order.
 *
 * | state | isRemoteEnded | isLocalEnded |
 * | --- | --- | --- |
 * | open | no | no |
 * | half-closed (remote) | yes | no |
 * | half-closed (local) | no | yes: the connection resets it at once, as the rest of the request is not needed |
 */
export abstract class ServerStream {
  isRemoteEnded = false;
  isLocalEnded = false;
  /** Whether the headers of the answer have been sent. */
  hasSentHeaders = false;
  /** Messages that wait for the client's windows. */
  queue: SendQueue | undefined;
  /** The end of the answer, behind the queued messages. */
  waitingEnd: AnswerEnd | undefined;
  /** Messages, and bytes, in the connection's output, and in its current write to the socket: see `onTaken`. */
  gathered = 0;
  gatheredBytes = 0;
  writing = 0;
  writingBytes = 0;

  /** Bytes that the client may send; never 0, as the window is restored when half of it is used. */
  private receiveWindow = streamWindowBytes;
  private received = 0;

  /**
   * @param sendWindow bytes that the client allows; may become negative (RFC 9113 §6.9.2)
   * @param declaredLength `content-length` of the request
   */
  constructor(
    protected readonly carrier: StreamCarrier,
    readonly id: number,
    public sendWindow: number,
    private readonly declaredLength: number | undefined,
  ) {}

  /** Called after the request's headers. */
  protected abstract onBegin(): void;
  /** Called with bytes of the request, which are valid only during the call. */
  protected abstract onData(bytes: Buffer, start: number, end: number): void;
  /** Called when the request is complete. */
  protected abstract onRemoteEnd(): void;
  /** Called when the stream ends before its answer: either side has reset it, or the connection is lost. */
  protected abstract onReset(): void;
  /** Ends the answer with a status, if it has not ended. */
  abstract endWith(end: AnswerEnd): void;
  /** Called when messages of this stream were written to the client's socket. */
  onTaken?(messages: number, bytes: number): void;

  /** Begins to serve the request; `isLast`: there is no data. @throws StreamError for the client */
  beginRequest(isLast: boolean): void {
    if (isLast) this.endRemote();
    this.onBegin();
    if (isLast && !this.isLocalEnded) this.onRemoteEnd();
  }

  /** Handles the data of a frame. @throws StreamError for the client */
  receive(bytes: Buffer, start: number, end: number, frameLength: number, isLast: boolean): void {
    this.receiveWindow -= frameLength;
    this.received += end - start;
    if (this.declaredLength !== undefined && this.received > this.declaredLength) throw this.lengthError();
    if (isLast) this.endRemote(); // first, so that an answer to the data finds the request complete and needs no reset
    if (end > start) this.onData(bytes, start, end);
    if (isLast && !this.isLocalEnded) this.onRemoteEnd();
  }

  /** Handles trailers, whose fields are ignored. @throws StreamError for the client */
  receiveTrailers(): void {
    this.endRemote();
    this.onRemoteEnd();
  }

  /** Ends both sides; no frame is sent any more. */
  close(): void {
    if (this.isLocalEnded) return;
    this.isRemoteEnded = this.isLocalEnded = true;
    this.queue = this.waitingEnd = undefined;
    this.onReset();
  }

  /** Returns the bytes by which to restore the client's window; 0: more than half of it is left. */
  takeWindowUpdate(): number {
    const update = streamWindowBytes - this.receiveWindow;
    if (this.isRemoteEnded || this.isLocalEnded || update < streamWindowBytes / 2) return 0;
    this.receiveWindow = streamWindowBytes;
    return update;
  }

  private endRemote(): void {
    if (this.declaredLength !== undefined && this.received !== this.declaredLength) throw this.lengthError();
    this.isRemoteEnded = true;
  }

  private lengthError(): StreamError {
    return new StreamError(this.id, http2ErrorCode.protocol, "content-length does not match");
  }
}

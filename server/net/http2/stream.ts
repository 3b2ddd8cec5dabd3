import type { Labelled, ListMessage } from "../../rpc/index.js";
import { errorCode, StreamError } from "./errors.js";
import { streamWindowBytes } from "./limits.js";
import type { SendQueue } from "./send-queue.js";

/** An end of an answer: a status of gRPC. */
export interface AnswerEnd {
  readonly code: number;
  readonly details: string;
}

/** The connection as its streams see it: it sends their output. */
export interface StreamCarrier {
  /** Sends a whole answer of one message, in one piece if it is small. */
  sendAnswer(stream: ServerStream, message: Uint8Array): void;
  /** Sends the same of a message in pieces, each of which may have pieces again. */
  sendListAnswer(stream: ServerStream, pieces: readonly ListMessage[]): void;
  /** Sends a message as far as the windows of connection and stream permit; the rest waits in the stream's queue. */
  sendMessage(stream: ServerStream, message: Uint8Array): void;
  /** Sends a message for each of some labels: `head`, the label, `tail`. @returns the bytes of them all */
  sendEach(
    stream: ServerStream,
    labels: readonly Labelled[],
    from: number,
    to: number,
    head: Uint8Array,
    tail: Uint8Array,
  ): number;
  /** Sends the end of the answer behind what waits. */
  sendEnd(stream: ServerStream, end: AnswerEnd): void;
  /** Refuses a request that is not gRPC, with a body for people. */
  sendRefusal(stream: ServerStream, httpStatus: number, end: AnswerEnd): void;
}

/**
 * A stream of a connection (RFC 9113 §5.1), from the headers of its request on; idle and closed streams have no object. A class
 * that serves requests extends it and is told what comes. Frames are sent by the connection, which owns their order.
 *
 * | state | isRemoteEnded | isLocalEnded |
 * | --- | --- | --- |
 * | open | no | no |
 * | half-closed (remote) | yes | no |
 * | half-closed (local) | no | yes: the connection resets it at once, as nobody wants the rest of the request |
 */
export abstract class ServerStream {
  isRemoteEnded = false;
  isLocalEnded = false;
  /** Whether the headers of the answer have been sent. */
  hasSentHeaders = false;
  /** Messages that wait for the client's windows. */
  queue: SendQueue | undefined;
  /** The end of the answer that waits behind them. */
  waitingEnd: AnswerEnd | undefined;
  /** Messages, and bytes, in the connection's output, and in its write to the socket: see `onTaken`. */
  gathered = 0;
  gatheredBytes = 0;
  writing = 0;
  writingBytes = 0;

  /** Bytes that the client may send; never used up, as it is opened again once half of it has been used. */
  private receiveWindow = streamWindowBytes;
  private received = 0;

  /**
   * @param sendWindow bytes that the client allows; may become negative (RFC 9113 §6.9.2)
   * @param declaredLength length of the request that its headers declare
   */
  constructor(
    protected readonly carrier: StreamCarrier,
    readonly id: number,
    public sendWindow: number,
    private readonly declaredLength: number | undefined,
  ) {}

  /** The request's headers have come. */
  protected abstract onBegin(): void;
  /** Takes bytes of the request, which lie there only during the call. */
  protected abstract onData(bytes: Buffer, start: number, end: number): void;
  /** The request is complete. */
  protected abstract onRemoteEnd(): void;
  /** The stream is over before the answer was sent to its end: either side has reset it, or the connection is lost. */
  protected abstract onReset(): void;
  /** Ends the answer with a status, if it has not ended. */
  abstract endWith(end: AnswerEnd): void;
  /** The client's system has taken messages of this stream. */
  onTaken?(messages: number, bytes: number): void;

  /** Begins to serve the request; `isLast`: it has nothing but headers. @throws StreamError that the client has to be told */
  begin(isLast: boolean): void {
    if (isLast) this.endRemote();
    this.onBegin();
    if (isLast && !this.isLocalEnded) this.onRemoteEnd();
  }

  /** Takes the data of a frame. @throws StreamError that the client has to be told */
  receive(bytes: Buffer, start: number, end: number, frameLength: number, isLast: boolean): void {
    this.receiveWindow -= frameLength;
    this.received += end - start;
    if (this.declaredLength !== undefined && this.received > this.declaredLength) throw this.lengthError();
    if (isLast) this.endRemote(); // first, so that an answer to the data need not stop the client
    if (end > start) this.onData(bytes, start, end);
    if (isLast && !this.isLocalEnded) this.onRemoteEnd();
  }

  /** The client has sent trailers, which say nothing. @throws StreamError that the client has to be told */
  receiveTrailers(): void {
    this.endRemote();
    this.onRemoteEnd();
  }

  /** Ends both sides; nothing is sent any more. */
  close(): void {
    if (this.isLocalEnded) return;
    this.isRemoteEnded = this.isLocalEnded = true;
    this.queue = this.waitingEnd = undefined;
    this.onReset();
  }

  /** Returns the bytes that the client is to be allowed to send again; 0: it has enough. */
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
    return new StreamError(this.id, errorCode.protocol, "content-length does not match");
  }
}

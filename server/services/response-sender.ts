import type { ResponseHeader } from "../../proto/index.js";
import type { Answer, KvStore, Sliced, ShouldYield } from "../../store/index.js";
import type { ResultHandler } from "../base/index.js";
import {
  type HandlerFactory,
  encodeParts,
  type LargeList,
  type ListMessage,
  listPieces,
  type Part,
  type Reply,
} from "../rpc/index.js";
import type { ResponseHeaders } from "./response-header.js";

/** Encodes a response with its encoded header. */
type Encode<Response> = (response: Response, header: Uint8Array) => Uint8Array;

/** Converts a response to the message that a client would decode; undefined: only encoding and decoding gives it. */
type AsMessage<Response> = (response: Response, header: ResponseHeader) => object | undefined;

/** The encodings of a response that may be large. */
export interface ListFormat<Response> {
  encode(response: Response, header: Uint8Array): Uint8Array | ListMessage;
  /** Whether encoding the response at once would delay others. */
  isLarge(response: Response): boolean;
  /** Returns the parts of the response that are encoded one after the other. */
  toParts(response: Response, header: Uint8Array): readonly Part[];
  /**
   * Returns the response as one list, which an engine may send without encoding all of it before. Absent: the response is no
   * list.
   */
  toList?(response: Response, header: Uint8Array): LargeList;
}

/** Sends the results of operations as responses: each with its header; large ones are encoded in slices. */
export class ResponseSender {
  constructor(
    readonly headers: ResponseHeaders,
    private readonly slices: Pick<KvStore, "runInSlices">,
  ) {}

  /** Sends the result at once. */
  readonly message = <Response extends object>(reply: Reply<Response>): ResultHandler<Answer<Response>> => ({
    onResult: (answer) => reply.send(this.withHeader(answer)),
    onError: (error) => reply.fail(error),
  });

  /**
   * Returns a handler factory that encodes the result and sends it at once.
   *
   * @param asMessage returns the answer as a client in this process would decode it
   */
  sendEncoded<Response>(
    encode: Encode<Response>,
    asMessage?: AsMessage<Response>,
  ): HandlerFactory<Answer<Response>, Uint8Array | ListMessage> {
    return (reply) => new EncodedAnswer(this.headers, reply, encode, asMessage);
  }

  /** Returns a handler factory that sends the result at once, or, if it is large, encodes it in slices first. */
  sendInSlices<Response>(format: ListFormat<Response>): HandlerFactory<Answer<Response>, Uint8Array | ListMessage> {
    return (reply) => new ListAnswer(this, reply, format);
  }

  /** Encodes a message in slices, then sends it. */
  sendSlices(
    encode: (shouldYield: ShouldYield) => Sliced<Uint8Array>,
    reply: Pick<Reply<never>, "send" | "fail">,
  ): void {
    this.slices.runInSlices(encode).then(
      (answer) => reply.send(answer),
      (error: unknown) => reply.fail(error),
    );
  }

  /** Divides a message in slices, without a copy, then sends it in pieces, if the engine supports them. */
  sendPieces(list: LargeList, reply: Pick<Reply<never>, "sendPieces" | "fail">): void {
    this.slices
      .runInSlices((shouldYield) => listPieces(list, shouldYield))
      .then(
        (pieces) => reply.sendPieces?.(pieces),
        (error: unknown) => reply.fail(error),
      );
  }

  private withHeader<Response extends object>({ response, revision }: Answer<Response>) {
    return { ...response, header: this.headers.at(revision) };
  }
}

// The handlers of the most frequent requests are classes, not closures: one object per request.

/** Encodes a result and sends it. */
class EncodedAnswer<Response> implements ResultHandler<Answer<Response>> {
  constructor(
    private readonly headers: ResponseHeaders,
    private readonly reply: Reply<never>,
    private readonly encode: Encode<Response>,
    private readonly asMessage: AsMessage<Response> | undefined,
  ) {}

  onResult({ response, revision }: Answer<Response>): void {
    const { reply, headers } = this;
    const message = reply.sendMessage && this.asMessage?.(response, headers.at(revision));
    if (message === undefined) reply.send(this.encode(response, headers.encodeAt(revision)));
    else reply.sendMessage?.(message);
  }

  onError(error: unknown): void {
    this.reply.fail(error);
  }
}

/** Sends a result in one piece, or encodes it in slices first. */
class ListAnswer<Response> implements ResultHandler<Answer<Response>> {
  constructor(
    private readonly sender: ResponseSender,
    private readonly reply: Reply<ListMessage>,
    private readonly format: ListFormat<Response>,
  ) {}

  onResult({ response, revision }: Answer<Response>): void {
    const { sender, reply, format } = this;
    const header = sender.headers.encodeAt(revision);
    if (!format.isLarge(response)) reply.send(format.encode(response, header));
    else if (reply.sendPieces !== undefined && format.toList !== undefined)
      sender.sendPieces(format.toList(response, header), reply);
    else sender.sendSlices((shouldYield) => encodeParts(format.toParts(response, header), shouldYield), reply);
  }

  onError(error: unknown): void {
    this.reply.fail(error);
  }
}

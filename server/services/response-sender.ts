import type { Answer, KvStore, Sliced } from "../../store/index.js";
import type { ResultHandler } from "../base/index.js";
import { encodeParts, type IsTired, type ListMessage, type Part, type Reply } from "../rpc/index.js";
import type { ResponseHeaders } from "./response-header.js";

/** Encodes a response with its header. */
type Encode<Response, Encoded = Uint8Array> = (response: Response, header: Uint8Array) => Encoded;

/** Sends the results of operations as responses: each with its header, and large ones encoded in slices. */
export class ResponseSender {
  constructor(
    readonly headers: ResponseHeaders,
    private readonly slices: Pick<KvStore, "inSlices">,
  ) {}

  /** Makes a handler that sends the result at once. */
  to<Response extends object>(reply: Reply<Response>): ResultHandler<Answer<Response>> {
    return { onResult: (answer) => reply.send(this.withHeader(answer)), onError: reply.fail };
  }

  /** Makes a handler that sends the result at once. @param encode gives the response with its header, which is a field that is encoded */
  encodedTo<Response>(reply: Reply<never>, encode: Encode<Response>): ResultHandler<Answer<Response>> {
    return {
      onResult: ({ response, revision }) => reply.send(encode(response, this.headers.encodedAt(revision))),
      onError: reply.fail,
    };
  }

  /**
   * Makes a handler that sends the result at once, or, if it is large, once it is encoded.
   *
   * @param isLarge whether encoding the response at once would hold up others
   * @param parts gives the parts of it that can be encoded one after the other
   */
  inSlicesTo<Response>(
    reply: Reply<ListMessage>,
    encode: Encode<Response, Uint8Array | ListMessage>,
    isLarge: (response: Response) => boolean,
    parts: (response: Response, header: Uint8Array) => readonly Part[],
  ): ResultHandler<Answer<Response>> {
    return {
      onResult: ({ response, revision }) => {
        const header = this.headers.encodedAt(revision);
        if (isLarge(response)) this.sendSlices((isTired) => encodeParts(parts(response, header), isTired), reply);
        else reply.send(encode(response, header));
      },
      onError: reply.fail,
    };
  }

  /** Sends a message once it is encoded, in slices. */
  sendSlices(encode: (isTired: IsTired) => Sliced<Uint8Array>, reply: Pick<Reply<never>, "send" | "fail">): void {
    this.slices.inSlices(encode).then(reply.send, reply.fail);
  }

  private withHeader<Response extends object>({ response, revision }: Answer<Response>) {
    return { ...response, header: this.headers.at(revision) };
  }
}

import type { Answer, KvStore, Sliced } from "../../store/index.js";
import type { ResultHandler } from "../base/index.js";
import { encodeParts, type IsTired, type Part, type Reply } from "../rpc/index.js";
import type { ResponseHeaders } from "./response-header.js";

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

  /**
   * Makes a handler that sends a large result once it is encoded.
   *
   * @param isLarge whether encoding the response at once would hold up others
   * @param parts gives the parts of it that can be encoded one after the other
   */
  inSlicesTo<Response extends object>(
    reply: Reply<Response>,
    isLarge: (response: Response) => boolean,
    parts: (response: Response) => readonly Part[],
  ): ResultHandler<Answer<Response>> {
    return {
      onResult: (answer) => {
        const response = this.withHeader(answer);
        if (isLarge(response)) this.sendSlices((isTired) => encodeParts(parts(response), isTired), reply);
        else reply.send(response);
      },
      onError: reply.fail,
    };
  }

  /** Sends a message once it is encoded, in slices. */
  sendSlices(encode: (isTired: IsTired) => Sliced<Uint8Array>, reply: Reply<never>): void {
    this.slices.inSlices(encode).then(reply.send, reply.fail);
  }

  private withHeader<Response extends object>({ response, revision }: Answer<Response>) {
    return { ...response, header: this.headers.at(revision) };
  }
}

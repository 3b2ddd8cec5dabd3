import { noBytes } from "../base/index.js";
import { encodeRangeEnd, rangeRequestDecoder } from "../../proto/index.js";
import type { Application, ChunkReceiver, RangeChunk } from "../app/index.js";
import {
  encodedAlready,
  ListMessage,
  type Method,
  rangeKvsTag,
  serverStream,
  type ServerResponseStream,
} from "../rpc/index.js";
import type { ResponseHeaders } from "./response-header.js";

/** KV.RangeStream, new in etcd 3.7. */
export const rangeStreamMethod = (application: Pick<Application, "rangeStream">, headers: ResponseHeaders): Method =>
  serverStream("/etcdserverpb.KV/RangeStream", rangeRequestDecoder, encodedAlready, (request, call, reply) => {
    const session = application.rangeStream(call, request, new ChunkResponder(headers, reply));
    reply.setDrainListener(() => session.resume());
    reply.setCloseListener(() => session.close());
  });

/** Sends the chunks of a read, as etcd does: only the last one has fields other than keys. */
class ChunkResponder implements ChunkReceiver {
  constructor(
    private readonly headers: ResponseHeaders,
    private readonly reply: ServerResponseStream<Uint8Array>,
  ) {}

  onChunk({ kvs, end }: RangeChunk): boolean {
    const head = end === undefined ? noBytes : this.headers.encodeAt(end.revision);
    const tail = end === undefined ? noBytes : encodeRangeEnd({ header: undefined, kvs, ...end });
    const hasRoom = this.reply.send(wrapResponse(new ListMessage(head, rangeKvsTag, kvs, tail)));
    if (end !== undefined) this.reply.endStream();
    return hasRoom;
  }

  onError(error: unknown): void {
    this.reply.fail(error);
  }
}

/** The tag of the field `range_response`. */
const rangeResponseTag = 0x0a;

/** Encodes a RangeStreamResponse around an encoded RangeResponse. */
const wrapResponse = (response: ListMessage): Uint8Array =>
  new ListMessage(noBytes, rangeResponseTag, [response.toBytes()], noBytes).toBytes();

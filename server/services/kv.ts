import {
  compactionRequestDecoder,
  deleteRangeRequestDecoder,
  encodeDeleteRangeResponse,
  encodePutResponse,
  encodeRangeEnd,
  encodeRangeResponse,
  encodeTxnResponse,
  putRequestDecoder,
  rangeRequestDecoder,
  type PutResponse,
  type RawDeleteRangeResponse,
  type RawPutResponse,
  type RawRangeResponse,
  type RawTxnResponse,
  type ResponseHeader,
  txnRequestDecoder,
} from "../../proto/index.js";
import type { Application } from "../app/index.js";
import {
  areMany,
  deleteRangeParts,
  encodedAlready,
  hasMany,
  type LargeList,
  ListMessage,
  type Method,
  type Part,
  rangeKvsTag,
  rangeParts,
  txnParts,
  unary,
  unaryRead,
} from "../rpc/index.js";
import type { ListFormat, ResponseSender } from "./response-sender.js";

/** etcdserverpb.KV. */
export const kvMethods = (application: Application, sender: ResponseSender): Method[] => [
  unaryRead(
    "/etcdserverpb.KV/Range",
    rangeRequestDecoder,
    encodedAlready,
    application.range,
    sender.sendInSlices(new RangeFormat()),
  ),
  unary(
    "/etcdserverpb.KV/Put",
    putRequestDecoder,
    encodedAlready,
    application.put,
    sender.sendEncoded(encodePutResponse, putMessage),
  ),
  unary(
    "/etcdserverpb.KV/DeleteRange",
    deleteRangeRequestDecoder,
    encodedAlready,
    application.deleteRange,
    sender.sendInSlices(new DeleteRangeFormat()),
  ),
  unary(
    "/etcdserverpb.KV/Txn",
    txnRequestDecoder,
    encodedAlready,
    application.txn,
    sender.sendInSlices(new TxnFormat()),
  ),
  unary(
    "/etcdserverpb.KV/Compact",
    compactionRequestDecoder,
    encodedAlready,
    application.compact,
    sender.sendEncoded(onlyHeader),
  ),
];

/** Returns the answer to a put for a client in this process; undefined if a previous KeyValue has to be decoded. */
const putMessage = ({ prevKv }: RawPutResponse, header: ResponseHeader): PutResponse | undefined =>
  prevKv.length === 0 ? { header, prevKv: undefined } : undefined;

const onlyHeader = (_response: unknown, header: Uint8Array): Uint8Array => header;
/** A longer answer is sent in pieces, without a copy; in bytes. */
const maxBytesInOnePiece = 8 * 1024;
/** A longer answer is divided in slices, or, for an engine that does not support pieces, encoded in slices; in bytes. */
const maxListBytes = 4 * 1024 * 1024;

class RangeFormat implements ListFormat<RawRangeResponse> {
  encode(response: RawRangeResponse, header: Uint8Array): Uint8Array | ListMessage {
    const { kvs } = response;
    const [first] = kvs;
    if (first === undefined || (kvs.length === 1 && first.length <= maxBytesInOnePiece))
      return encodeRangeResponse(response, header);
    const message = new ListMessage(header, rangeKvsTag, kvs, encodeRangeEnd(response));
    return message.length > maxBytesInOnePiece ? message : message.toBytes();
  }

  isLarge({ kvs }: RawRangeResponse): boolean {
    return areMany(kvs, maxListBytes);
  }

  toParts(response: RawRangeResponse, header: Uint8Array): readonly Part[] {
    return rangeParts(response, header);
  }

  toList(response: RawRangeResponse, head: Uint8Array): LargeList {
    return { head, tag: rangeKvsTag, items: response.kvs, tail: encodeRangeEnd(response) };
  }
}

class DeleteRangeFormat implements ListFormat<RawDeleteRangeResponse> {
  encode(response: RawDeleteRangeResponse, header: Uint8Array): Uint8Array {
    return encodeDeleteRangeResponse(response, header);
  }

  isLarge({ prevKvs }: RawDeleteRangeResponse): boolean {
    return areMany(prevKvs);
  }

  toParts(response: RawDeleteRangeResponse, header: Uint8Array): readonly Part[] {
    return deleteRangeParts(response, header);
  }
}

class TxnFormat implements ListFormat<RawTxnResponse> {
  encode(response: RawTxnResponse, header: Uint8Array): Uint8Array {
    return encodeTxnResponse(response, header);
  }

  isLarge(response: RawTxnResponse): boolean {
    return hasMany(response);
  }

  toParts(response: RawTxnResponse, header: Uint8Array): readonly Part[] {
    return txnParts(response, header);
  }
}

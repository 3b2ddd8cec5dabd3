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
  ListMessage,
  type Method,
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
    sender.sendInSlices(rangeFormat),
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
    sender.sendInSlices(deleteRangeFormat),
  ),
  unary("/etcdserverpb.KV/Txn", txnRequestDecoder, encodedAlready, application.txn, sender.sendInSlices(txnFormat)),
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

const encodeRange = (response: RawRangeResponse, header: Uint8Array): Uint8Array | ListMessage => {
  const { kvs } = response;
  const [first] = kvs;
  if (first === undefined || (kvs.length === 1 && first.length <= maxBytesInOnePiece))
    return encodeRangeResponse(response, header);
  const message = new ListMessage(header, rangeKvsTag, kvs, encodeRangeEnd(response));
  return message.length > maxBytesInOnePiece ? message : message.toBytes();
};

const rangeFormat: ListFormat<RawRangeResponse> = {
  encode: encodeRange,
  isLarge: ({ kvs }) => areMany(kvs, maxListBytes),
  parts: rangeParts,
  list: (response, head) => ({ head, tag: rangeKvsTag, items: response.kvs, tail: encodeRangeEnd(response) }),
};
const deleteRangeFormat: ListFormat<RawDeleteRangeResponse> = {
  encode: encodeDeleteRangeResponse,
  isLarge: ({ prevKvs }) => areMany(prevKvs),
  parts: deleteRangeParts,
};
const txnFormat: ListFormat<RawTxnResponse> = { encode: encodeTxnResponse, isLarge: hasMany, parts: txnParts };

import {
  compactionRequestDecoder,
  deleteRangeRequestDecoder,
  encodeDeleteRangeResponse,
  encodePutResponse,
  encodeRangeResponse,
  encodeTxnResponse,
  putRequestDecoder,
  rangeRequestDecoder,
  type RawDeleteRangeResponse,
  type RawRangeResponse,
  txnRequestDecoder,
} from "../../proto/index.js";
import type { Application } from "../app/index.js";
import {
  areMany,
  deleteRangeParts,
  encodedAlready,
  hasMany,
  type Method,
  rangeParts,
  txnParts,
  unary,
  unaryRead,
} from "../rpc/index.js";
import type { ResponseSender } from "./response-sender.js";

/** etcdserverpb.KV. */
export const kvMethods = (application: Application, sender: ResponseSender): Method[] => [
  unaryRead("/etcdserverpb.KV/Range", rangeRequestDecoder, encodedAlready, (request, call, reply) =>
    application.range(call, request, sender.inSlicesTo(reply, encodeRangeResponse, hasManyKvs, rangeParts)),
  ),
  unary("/etcdserverpb.KV/Put", putRequestDecoder, encodedAlready, (request, call, reply) =>
    application.put(call, request, sender.encodedTo(reply, encodePutResponse)),
  ),
  unary("/etcdserverpb.KV/DeleteRange", deleteRangeRequestDecoder, encodedAlready, (request, call, reply) =>
    application.deleteRange(
      call,
      request,
      sender.inSlicesTo(reply, encodeDeleteRangeResponse, hasManyPrevKvs, deleteRangeParts),
    ),
  ),
  unary("/etcdserverpb.KV/Txn", txnRequestDecoder, encodedAlready, (request, call, reply) =>
    application.txn(call, request, sender.inSlicesTo(reply, encodeTxnResponse, hasMany, txnParts)),
  ),
  unary("/etcdserverpb.KV/Compact", compactionRequestDecoder, encodedAlready, (request, call, reply) =>
    application.compact(call, request, sender.encodedTo(reply, onlyHeader)),
  ),
];

const onlyHeader = (_response: unknown, header: Uint8Array): Uint8Array => header;
const hasManyKvs = ({ kvs }: RawRangeResponse): boolean => areMany(kvs);
const hasManyPrevKvs = ({ prevKvs }: RawDeleteRangeResponse): boolean => areMany(prevKvs);

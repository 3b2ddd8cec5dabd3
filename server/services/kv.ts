import {
  CompactionRequest,
  CompactionResponse,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RawDeleteRangeResponse,
  RawPutResponse,
  RawRangeResponse,
  RawTxnResponse,
  TxnRequest,
} from "../../proto/index.js";
import type { Application } from "../app/index.js";
import {
  areMany,
  deleteRangeParts,
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
  unaryRead("/etcdserverpb.KV/Range", RangeRequest, RawRangeResponse, (request, call, reply) =>
    application.range(call, request, sender.inSlicesTo(reply, hasManyKvs, rangeParts)),
  ),
  unary("/etcdserverpb.KV/Put", PutRequest, RawPutResponse, (request, call, reply) =>
    application.put(call, request, sender.to(reply)),
  ),
  unary("/etcdserverpb.KV/DeleteRange", DeleteRangeRequest, RawDeleteRangeResponse, (request, call, reply) =>
    application.deleteRange(call, request, sender.inSlicesTo(reply, hasManyPrevKvs, deleteRangeParts)),
  ),
  unary("/etcdserverpb.KV/Txn", TxnRequest, RawTxnResponse, (request, call, reply) =>
    application.txn(call, request, sender.inSlicesTo(reply, hasMany, txnParts)),
  ),
  unary("/etcdserverpb.KV/Compact", CompactionRequest, CompactionResponse, (request, call, reply) =>
    application.compact(call, request, sender.to(reply)),
  ),
];

const hasManyKvs = ({ kvs }: RawRangeResponse): boolean => areMany(kvs);
const hasManyPrevKvs = ({ prevKvs }: RawDeleteRangeResponse): boolean => areMany(prevKvs);

// The boundary between whoever carries requests and the member that serves them. A gRPC service, a gateway, a client in the
// same process and a user interface call the same operations. What holds for every request wraps them.

import type {
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
import type { Answer } from "../../store/index.js";
import type { Caller, ResultHandler } from "../base/index.js";

/**
 * Request and result of each operation that has one of both. The messages are etcd's; a response has no header, as its
 * revision comes beside it. Keys and values in a response may be encoded, as they are stored (`proto/minietcd/raw.proto`).
 */
export interface Operations {
  /** Reads keys at one revision. Linearizable unless the request says `serializable`. */
  readonly range: { readonly request: RangeRequest; readonly result: Answer<RawRangeResponse> };
  readonly put: { readonly request: PutRequest; readonly result: Answer<RawPutResponse> };
  readonly deleteRange: { readonly request: DeleteRangeRequest; readonly result: Answer<RawDeleteRangeResponse> };
  /** Needs no quorum if both branches only read, and only with `serializable`. */
  readonly txn: { readonly request: TxnRequest; readonly result: Answer<RawTxnResponse> };
  /** With `physical`, the result comes once everything older is removed. */
  readonly compact: { readonly request: CompactionRequest; readonly result: Answer<CompactionResponse> };
}

export type OperationName = keyof Operations;

/**
 * One of etcd's operations. The outcome reaches `handler` once, at once or later; a handler does not throw.
 *
 * @throws ServerError, StoreError if it is refused at once; then the handler is not called
 */
export type Operation<Name extends OperationName> = (
  caller: Caller,
  request: Operations[Name]["request"],
  handler: ResultHandler<Operations[Name]["result"]>,
) => void;

/** etcd's operations, as one member serves them. */
export type Application = { readonly [Name in OperationName]: Operation<Name> };

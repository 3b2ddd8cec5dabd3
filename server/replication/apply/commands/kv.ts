import {
  type CompactionRequest,
  counterFromRequest,
  type DeleteRangeRequest,
  type PutRequest,
  type RawDeleteRangeResponse,
  type RawPutResponse,
  type RawTxnResponse,
  type TxnRequest,
} from "../../../../proto/index.js";
import type { Answer, Compaction, Revision, Sliced } from "../../../../store/index.js";
import type { ReplicatedState } from "./handler.js";

export function* put(request: PutRequest, { store }: ReplicatedState): Sliced<Answer<RawPutResponse>> {
  return store.put(request);
}

export const deleteRange = (
  request: DeleteRangeRequest,
  { store }: ReplicatedState,
): Sliced<Answer<RawDeleteRangeResponse>> => store.deleteRange(request);

export const txn = (request: TxnRequest, { store }: ReplicatedState): Sliced<Answer<RawTxnResponse>> =>
  store.txn(request);

/** A compaction that has begun, and the store's revision then. */
export interface Compacted {
  readonly compaction: Compaction;
  readonly revision: Revision;
}

export function* compact({ revision }: CompactionRequest, { store }: ReplicatedState): Sliced<Compacted> {
  return { compaction: store.compact(counterFromRequest(revision)), revision: store.revision };
}

import {
  type CompactionRequest,
  counterFromRequest,
  type RawTxnResponse,
  type TxnRequest,
} from "../../../../proto/index.js";
import type { Answer, Compaction, Revision, Sliced } from "../../../../store/index.js";
import { Applied, type ReplicatedState } from "./handler.js";

/** Executes a transaction: a small one at once, another one in slices. */
export const txn = (
  request: TxnRequest,
  { store }: ReplicatedState,
): Applied<Answer<RawTxnResponse>> | Sliced<Answer<RawTxnResponse>> => {
  const answer = store.smallTxn(request);
  return answer === undefined ? store.txn(request) : new Applied(answer);
};

/** A compaction that has begun, and the store's revision when it began. */
export interface Compacted {
  readonly compaction: Compaction;
  readonly revision: Revision;
}

/** Begins a compaction; the rows are deleted later, in slices. @throws CompactedError, FutureRevisionError */
export function* compact({ revision }: CompactionRequest, { store }: ReplicatedState): Sliced<Compacted> {
  return { compaction: store.compact(counterFromRequest(revision)), revision: store.revision };
}

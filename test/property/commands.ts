// Commands as clients send them, and the answers of a store, for properties that compare one store with another.

import fc from "fast-check";
import {
  Compare_CompareResult,
  Compare_CompareTarget,
  DeleteRangeResponse,
  PutResponse,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  RawDeleteRangeResponse,
  RawPutResponse,
  RawTxnResponse,
  TxnResponse,
  type Compare,
  type DeleteRangeRequest,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  type TxnRequest,
} from "../../proto/index.js";
import { StoreError, type KvStore, type Sliced } from "../../store/index.js";
import { bytes } from "../store/harness.js";
import { byValue, Refused } from "../../testing/copying-store.js";
import { toLeaseId } from "../../testing/ids.js";

// Few keys, so that requests meet; some with unusual sort positions.
const key = fc.constantFrom("a", "aa", "ab", "b", "c", "a\0", "\xff", "\xfe").map(bytes);
const rangeEnd = fc.constantFrom("", "", "\0", "a", "b", "ac", "\xff").map(bytes);
const value = fc.constantFrom("", "1", "2", "x".repeat(130)).map(bytes);
const rarely = fc.nat({ max: 9 }).map((n) => n === 0);
const bound = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0n) },
  { weight: 1, arbitrary: fc.bigInt({ min: -1n, max: 30n }) },
);
const oneOf = <T extends number>(values: Readonly<Record<string, T>>): fc.Arbitrary<T> =>
  fc.constantFrom(...Object.values(values));

const leaseId = fc.constantFrom(7n, 8n, -9n);
const putRequest: fc.Arbitrary<PutRequest> = fc.record({
  key,
  value,
  lease: fc.oneof({ weight: 2, arbitrary: fc.constant(0n) }, { weight: 1, arbitrary: leaseId }),
  prevKv: fc.boolean(),
  ignoreValue: rarely,
  ignoreLease: rarely,
});
const deleteRangeRequest: fc.Arbitrary<DeleteRangeRequest> = fc.record({ key, rangeEnd, prevKv: fc.boolean() });
export const rangeRequest: fc.Arbitrary<RangeRequest> = fc.record({
  key,
  rangeEnd,
  limit: fc.bigInt({ min: -1n, max: 4n }),
  revision: bound,
  sortOrder: oneOf(RangeRequest_SortOrder),
  sortTarget: oneOf(RangeRequest_SortTarget),
  serializable: fc.boolean(),
  keysOnly: fc.boolean(),
  countOnly: rarely,
  minModRevision: bound,
  maxModRevision: bound,
  minCreateRevision: bound,
  maxCreateRevision: bound,
});
const number = fc.bigInt({ min: -1n, max: 8n });
const compare: fc.Arbitrary<Compare> = fc.record({
  result: oneOf(Compare_CompareResult),
  target: oneOf(Compare_CompareTarget),
  key,
  rangeEnd,
  targetUnion: fc.oneof(
    fc.record({ $case: fc.constantFrom("version", "createRevision", "modRevision", "lease"), value: number }),
    fc.record({ $case: fc.constant("value" as const), value }),
    fc.constant(undefined),
  ),
});
const { txnRequest } = fc.letrec<{ txnRequest: TxnRequest; op: RequestOp }>((tie) => ({
  txnRequest: fc.record({
    compare: fc.array(compare, { maxLength: 2 }),
    success: fc.array(tie("op"), { maxLength: 4 }),
    failure: fc.array(tie("op"), { maxLength: 3 }),
  }),
  op: fc.oneof(
    { maxDepth: 2, depthSize: "small" },
    fc.record({ request: fc.record({ $case: fc.constant("requestPut" as const), value: putRequest }) }),
    fc.record({ request: fc.record({ $case: fc.constant("requestRange" as const), value: rangeRequest }) }),
    fc.record({ request: fc.record({ $case: fc.constant("requestDeleteRange" as const), value: deleteRangeRequest }) }),
    fc.record({ request: fc.record({ $case: fc.constant("requestTxn" as const), value: tie("txnRequest") }) }),
  ),
}));

export type Applied =
  | { readonly kind: "put"; readonly request: PutRequest }
  | { readonly kind: "deleteRange"; readonly request: DeleteRangeRequest }
  | { readonly kind: "txn"; readonly request: TxnRequest; readonly atOnce: boolean }
  | { readonly kind: "compact"; readonly back: number }
  | { readonly kind: "grant" | "revoke"; readonly lease: bigint };
export const applied: fc.Arbitrary<Applied> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("put" as const), request: putRequest }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("deleteRange" as const), request: deleteRangeRequest }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("txn" as const), request: txnRequest, atOnce: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("compact" as const), back: fc.integer({ min: -1, max: 6 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("grant" as const, "revoke"), lease: leaseId }) },
);
/** Returns a store's answer, decoded; or the code of the refusal. */
export function outcome<T>(answer: () => T): T | string {
  try {
    return answer();
  } catch (error) {
    if (error instanceof StoreError || error instanceof Refused) return error.code;
    throw error;
  }
}

/**
 * Runs work slice by slice.
 * @param between called between two slices
 */
function runInSlices<T>(work: Sliced<T>, between: () => void): T {
  for (;;) {
    const slice = work.next();
    if (slice.done === true) return slice.value;
    between();
  }
}

export function applyToReal(store: KvStore, step: Applied, between: () => void = () => undefined): unknown {
  switch (step.kind) {
    case "put": {
      const { response, revision } = store.put(step.request);
      return [PutResponse.decode(RawPutResponse.encode(response).finish()), Number(revision)];
    }
    case "deleteRange": {
      const { response, revision } = runInSlices(store.deleteRange(step.request), between);
      return [DeleteRangeResponse.decode(RawDeleteRangeResponse.encode(response).finish()), Number(revision)];
    }
    case "txn": {
      const small = step.atOnce ? store.smallTxn(step.request) : undefined;
      const { response, revision } = small ?? runInSlices(store.txn(step.request), between);
      return [TxnResponse.decode(RawTxnResponse.encode(response).finish()), Number(revision)];
    }
    case "compact":
      store.compact(store.revision - step.back);
      return "ok";
    case "grant":
      return store.grantLease({ id: toLeaseId(step.lease), ttlSeconds: 60, generation: 1 });
    case "revoke":
      return runInSlices(store.revokeLease(toLeaseId(step.lease)), between);
  }
}

/** Returns all leases with their keys. */
export const attachments = async (store: KvStore): Promise<Map<bigint, readonly string[]>> => {
  const ids = Array.from(store.leases(), ({ id }) => id).sort(byValue);
  return new Map(await Promise.all(ids.map(async (id) => [id, await store.leaseKeys(id)] as const)));
};

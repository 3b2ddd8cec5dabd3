// Transactions: with all kinds of operations, with a compare only, and with ranges only.
import fc from "fast-check";
import type {
  Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  DeleteRangeRequest,
  PutRequest,
  RequestOp,
  TxnRequest,
} from "../../../proto/index.js";
import { type Choice, choose, list } from "./chance.js";
import { all, from, one, some, value } from "./keys.js";
import { limits } from "./limits.js";
import { boundedDelete, completePut, deleteRange, oddSort, put, range, type Sort, sort } from "./operations.js";
import { lateOf, exactly, future, highest, type Late, recent } from "./revisions.js";

const compare: fc.Arbitrary<Late<Compare>> = fc
  .record({
    interval: choose([5, one], [3, some], [1, from], [1, all]),
    result: choose([20, fc.constantFrom(0, 1, 2, 3)], [1, fc.constant(7)]),
    target: choose([20, fc.constantFrom(0, 1, 2, 3, 4)], [1, fc.constant(9)]),
    /** The operand, which should be the one of the target. */
    operand: choose([16, fc.constant("own")], [1, fc.constantFrom("none", 0, 3)]),
    version: choose([8, fc.bigInt(0n, 3n)], [1, fc.constantFrom(-1n, highest)]),
    createRevision: choose([1, exactly(0n)], [3, recent], [1, future]),
    modRevision: choose([1, exactly(0n)], [3, recent], [1, future]),
    value,
    lease: fc.constantFrom(0n, 1n, -1n),
  })
  .map((late) => (at) => {
    const operands: Compare["targetUnion"][] = [
      { $case: "version", value: late.version },
      { $case: "createRevision", value: late.createRevision(at) },
      { $case: "modRevision", value: late.modRevision(at) },
      { $case: "value", value: late.value },
      { $case: "lease", value: late.lease },
    ];
    const index = late.operand === "own" ? late.target : late.operand;
    return {
      ...late.interval,
      result: late.result as Compare_CompareResult,
      target: late.target as Compare_CompareTarget,
      targetUnion: typeof index === "number" ? operands[index] : undefined,
    };
  });

const rangeOp = (sort: fc.Arbitrary<Sort>) =>
  range(sort, 2).map<Late<RequestOp>>((late) => (at) => ({ request: { $case: "requestRange", value: late(at) } }));
const putOp = (requests: fc.Arbitrary<PutRequest>) =>
  requests.map((value) => lateOf<RequestOp>({ request: { $case: "requestPut", value } }));
const deleteOp = (requests: fc.Arbitrary<DeleteRangeRequest>) =>
  requests.map((value) => lateOf<RequestOp>({ request: { $case: "requestDeleteRange", value } }));
const unsetOp = fc.constant(lateOf<RequestOp>({ request: undefined }));

/** Writes of a transaction, and of those nested in it. */
interface Writes {
  readonly put: fc.Arbitrary<Late<RequestOp>>;
  readonly delete: fc.Arbitrary<Late<RequestOp>>;
}
const givingEverything: Writes = { put: putOp(completePut), delete: deleteOp(boundedDelete) };
const keepingSome: Writes = { put: putOp(put), delete: deleteOp(boundedDelete) };
/**
 * Writes without puts, in which deletions may have an open end: together with puts, etcd does not notice that a key is both put and
 * deleted.
 */
const puttingNothing: Writes = { put: rangeOp(sort), delete: deleteOp(deleteRange) };

/** Maximum nesting of transactions. */
const maxDepth = 3;

function operation(writes: Writes, depth: number): fc.Arbitrary<Late<RequestOp>> {
  const flat: Choice<Late<RequestOp>>[] = [
    [100, rangeOp(sort)],
    [70, writes.put],
    [20, writes.delete],
    [1, unsetOp],
  ];
  if (depth === maxDepth) return choose(...flat);
  const nested = nestedTxn(writes, depth + 1).map<Late<RequestOp>>((late) => (at) => ({
    request: { $case: "requestTxn", value: late(at) },
  }));
  return choose(...flat, [30, nested]);
}

function txnOf(
  compares: fc.Arbitrary<Late<Compare>[]>,
  operations: fc.Arbitrary<Late<RequestOp>[]>,
): fc.Arbitrary<Late<TxnRequest>> {
  return fc.record({ compare: compares, success: operations, failure: operations }).map((late) => (at) => ({
    compare: late.compare.map((compare) => compare(at)),
    success: late.success.map((operation) => operation(at)),
    failure: late.failure.map((operation) => operation(at)),
  }));
}

function nestedTxn(writes: Writes, depth: number): fc.Arbitrary<Late<TxnRequest>> {
  const op = operation(writes, depth);
  const { maxTxnOps } = limits;
  const operations = choose(
    [100, list(op, 0, 4 - depth)],
    [2, list(op, 3, maxTxnOps)],
    [1, list(op, maxTxnOps, maxTxnOps + 2)],
  );
  return txnOf(choose([200, list(compare, 0, 2)], [1, list(compare, maxTxnOps, maxTxnOps + 2)]), operations);
}

/** Transactions with all kinds of operations. */
export const txn = choose(
  [6, nestedTxn(keepingSome, 1)],
  [1, nestedTxn(givingEverything, 1)],
  [1, nestedTxn(puttingNothing, 1)],
);

/** One compare without operations: the answer says only whether it was true. */
export const bareCompare = txnOf(
  compare.map((late) => [late]),
  fc.constant([]),
);
/** Transactions of ranges, which are not replicated, so that sort options which older etcds refuse do not get into the log. */
export const readTxn = txnOf(list(compare, 0, 1), list(rangeOp(choose([4, sort], [1, oddSort])), 1, 3));

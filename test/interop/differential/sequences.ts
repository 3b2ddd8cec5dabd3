// Generated sequences of requests, with few keys and with revisions close to the present, so that requests affect each other; most
// succeed, and each way to fail occurs.
import fc from "fast-check";
import { DeleteRangeRequest, PutRequest, RangeRequest, type RequestOp } from "../../../proto/index.js";
import { choose, list, seldom } from "./chance.js";
import { everything, knownKey, value, zero } from "./keys.js";
import { limits } from "./limits.js";
import { deleteRange, oddSort, put, range, sort } from "./operations.js";
import type { Request } from "./requests.js";
import { lateOf, aroundCompaction, compactable, exactly, future, type Late, lowest, odd, recent } from "./revisions.js";
import { bareCompare, readTxn, txn } from "./txns.js";

const putOf = (size: number): Late<Request> =>
  lateOf({ method: "put", message: PutRequest.create({ key: zero, value: new Uint8Array(size) }) });
/** Requests too large to be proposed, and too large to be received. */
const oversized = fc.constantFrom(putOf(limits.maxRequestBytes * 2), putOf(limits.maxRequestBytes + 2 ** 20));

const compaction = fc
  .record({ revision: choose([12, compactable], [2, aroundCompaction], [1, future], [1, odd]), physical: seldom(2) })
  .map(({ revision, physical }) => ({ physical, revision }));
/** Mostly the newest revision, for which etcd has no stored hash. */
const newest: Late<bigint> = ({ now }) => now;
const hashRevision = choose(
  [1, exactly(0n)],
  [4, fc.constant(newest)],
  [3, recent],
  [1, aroundCompaction],
  [1, future],
  [1, odd],
);

const send =
  <M extends Request["method"]>(method: M) =>
  (late: Late<Extract<Request, { method: M }>["message"]>): Late<Request> =>
  (at) =>
    ({ method, message: late(at) }) as Request;

/**
 * Returns one step.
 * @param hashing whether to request hashes while the store may be empty. etcd's hash then depends on the progress of a compaction, so
 * each compaction is waited for
 */
function step(hashing: boolean): fc.Arbitrary<Late<Request>> {
  const compact = compaction.map(({ revision, physical }) =>
    send("compact")((at) => ({ revision: revision(at), physical: physical || hashing })),
  );
  const hash = hashRevision.map((revision) => send("hashKV")((at) => ({ revision: revision(at) })));
  return choose(
    [140, put.map((message) => send("put")(lateOf(message)))],
    [140, range(choose([40, sort], [1, oddSort]), 10).map(send("range"))],
    [40, deleteRange.map((message) => send("deleteRange")(lateOf(message)))],
    [140, txn.map(send("txn"))],
    [120, bareCompare.map(send("txn"))],
    [20, readTxn.map(send("txn"))],
    [40, compact],
    [2, oversized],
    ...(hashing ? [[30, hash] as const] : []),
  );
}

/** Returns puts of several keys in one revision, to begin with. */
const furnishOf = (minLength: number, maxLength: number) =>
  fc
    .uniqueArray(fc.record({ key: knownKey, value }), {
      minLength,
      maxLength,
      size: "max",
      selector: ({ key }) => Buffer.from(key).toString("hex"),
    })
    .map((pairs) => {
      const success = pairs.map<RequestOp>((pair) => ({
        request: { $case: "requestPut", value: PutRequest.create(pair) },
      }));
      return send("txn")(lateOf({ compare: [], success, failure: [] }));
    });
const furnish = choose([1, furnishOf(0, 3)], [9, furnishOf(4, limits.maxTxnOps)]);

const rangeOfAll = (revision: bigint): RequestOp => ({
  request: { $case: "requestRange", value: RangeRequest.create({ ...everything, revision }) },
});
const putOfOne: RequestOp = { request: { $case: "requestPut", value: PutRequest.create({ key: zero }) } };

/** Reads the revisions that are not compacted. */
const lookBack: Late<Request> = ({ now, compacted }) => {
  const depth = Math.min(Number(now - compacted), limits.maxTxnOps - 2);
  const past = Array.from({ length: depth + 1 }, (_, back) => rangeOfAll(now - BigInt(back)));
  return { method: "txn", message: { compare: [], success: [...past, putOfOne], failure: [] } };
};
const deleteAll: Late<Request> = lateOf({
  method: "deleteRange",
  message: DeleteRangeRequest.create({ ...everything, prevKv: true }),
});
const hashOfAll: Late<Request> = (at) => ({ method: "hashKV", message: { revision: newest(at) } });

/** Returns the last reads and the hash, either after a put, or of an empty store. */
const endingOf = (hashing: boolean) => (hashing ? [lookBack, deleteAll, hashOfAll] : [lookBack, hashOfAll]);

const steps = (hashing: boolean) =>
  fc.tuple(furnish, list(step(hashing), 1, 16)).map(([first, rest]) => [first, ...rest, ...endingOf(hashing)]);

/** The requests of one run of the test. */
export const sequence: fc.Arbitrary<Late<Request>[]> = fc.oneof(steps(false), steps(true));

/** Requests for a store that was never compacted: only there, 0 is a valid revision to compact to. */
export const firstOfAll: Late<Request>[] = [
  send("range")(lateOf(RangeRequest.create(everything))),
  send("hashKV")(lateOf({ revision: 0n })),
  ...[lowest, -1n, 2n, 0n, 0n].map((revision) => send("compact")(lateOf({ revision, physical: true }))),
  send("hashKV")(lateOf({ revision: 0n })),
  send("compact")(lateOf({ revision: 1n, physical: false })),
];

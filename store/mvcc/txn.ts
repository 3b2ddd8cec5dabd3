import { counterFromRequest } from "../../proto/index.js";
import type {
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RawResponseOp,
  RawTxnResponse,
  RequestOp,
  ResponseHeader,
  TxnRequest,
} from "../../proto/index.js";
import { evaluateCompare, evaluateCompareOfKey } from "./compare.js";
import {
  CompactedError,
  FutureRevisionError,
  keyFromBytes,
  KeyNotFoundError,
  leaseIdFrom,
  type Revision,
  runAtOnce,
  type Sliced,
} from "../base/index.js";
import { isPlainGet, readKey, readRange } from "./range.js";
import type { StoreData } from "./store-data.js";
import type { Write } from "./write.js";

/** A transaction whose compares are evaluated: the operations of the branch that runs. */
interface TxnPlan {
  readonly succeeded: boolean;
  readonly ops: readonly PlannedOp[];
}

type PlannedOp =
  | { readonly kind: "range"; readonly request: RangeRequest }
  | { readonly kind: "put"; readonly request: PutRequest }
  | { readonly kind: "deleteRange"; readonly request: DeleteRangeRequest }
  | { readonly kind: "txn"; readonly plan: TxnPlan }
  | { readonly kind: "none" };

/** The revisions that could be read before the transaction: from `compactRevision` to `revision`. */
export interface Bounds {
  readonly revision: Revision;
  readonly compactRevision: Revision;
}

/** The context of a running transaction. */
interface TxnRun {
  readonly data: StoreData;
  readonly write: Write;
  readonly before: Bounds;
}

const emptyHeader: ResponseHeader = { clusterId: 0n, memberId: 0n, revision: 0n, raftTerm: 0n };

/**
 * Runs a transaction, in slices. First all compares are evaluated at the state before the transaction, those of nested transactions
 * too. Then all operations that will run are checked. Then they run in order; each sees the changes of the operations before it.
 *
 * @throws StoreError; then the caller undoes `write`
 * @see etcd v3 API, KV.Txn
 */
export function* runTxn(data: StoreData, request: TxnRequest, write: Write, before: Bounds): Sliced<RawTxnResponse> {
  const run = { data, write, before };
  const plan = yield* planTxn(run, request);
  // The operations are checked in their order, as in etcd: if two are wrong, the client gets the error of the first one.
  forEachOp(plan, (op) => {
    if (op.kind === "put") checkPut(data, op.request);
    else if (op.kind === "range") checkRange(op.request, before);
  });
  let operations = 0;
  forEachOp(plan, (op) => op.kind !== "none" && operations++);
  if (operations > 1) data.stats.txns++;
  return { ...(yield* execute(run, plan)), header: undefined };
}

/** The most compares and operations of a small transaction: the default of `--max-txn-ops`. */
const maxSmallTxn = 128;

/** Whether a transaction is small: few compares and operations, each on a single key. */
const isSmall = ({ compare, success, failure }: TxnRequest): boolean =>
  compare.length + success.length + failure.length <= maxSmallTxn &&
  compare.every(({ rangeEnd }) => rangeEnd.length === 0) &&
  success.every(isOfOneKey) &&
  failure.every(isOfOneKey);

const isOfOneKey = ({ request }: RequestOp): boolean => {
  if (request?.$case === "requestPut") return true;
  if (request?.$case === "requestRange") return isPlainGet(request.value);
  return request?.$case === "requestDeleteRange" && request.value.rangeEnd.length === 0;
};

/**
 * Runs a small transaction, as most are, without slices. The result is the same as that of `runTxn`, which needs a dozen generators.
 *
 * @returns undefined: the transaction is not small, and nothing has changed
 * @throws StoreError; then nothing has changed
 */
export function runSmallTxn(
  data: StoreData,
  request: TxnRequest,
  write: Write,
  before: Bounds,
): RawTxnResponse | undefined {
  if (!isSmall(request)) return undefined;
  const succeeded = request.compare.every((compare) => evaluateCompareOfKey(data, compare, before.revision));
  const ops = succeeded ? request.success : request.failure;
  for (const { request: op } of ops)
    if (op?.$case === "requestPut") checkPut(data, op.value);
    else if (op?.$case === "requestRange") checkRange(op.value, before);
  if (ops.length > 1) data.stats.txns++;
  const run = { data, write, before };
  try {
    return { header: undefined, succeeded, responses: ops.map((op) => ({ response: respondAtOnce(run, op) })) };
  } catch (error) {
    runAtOnce(write.undo());
    throw error;
  }
}

function respondAtOnce(run: TxnRun, { request: op }: RequestOp): RawResponseOp["response"] {
  const { data, write, before } = run;
  switch (op?.$case) {
    case "requestRange": {
      data.stats.ranges++;
      const response = readKey(data, op.value, readRevision(run, op.value));
      for (const keyValue of response.kvs) write.answerSize.add(keyValue);
      return { $case: "responseRange", value: { ...response, header: headerOf(write, before) } };
    }
    case "requestPut": {
      const response = write.put(op.value);
      return { $case: "responsePut", value: { ...response, header: headerOf(write, before) } };
    }
    case "requestDeleteRange": {
      const response = runAtOnce(write.deleteRange(op.value));
      return { $case: "responseDeleteRange", value: { ...response, header: headerOf(write, before) } };
    }
    case "requestTxn":
    case undefined:
      return undefined;
  }
}

function* planTxn(run: TxnRun, request: TxnRequest): Sliced<TxnPlan> {
  let succeeded = true;
  for (const compare of request.compare) {
    succeeded = yield* evaluateCompare(run.data, compare, run.before.revision, run.write.shouldYield);
    if (!succeeded) break;
  }
  const ops: PlannedOp[] = [];
  for (const op of succeeded ? request.success : request.failure) ops.push(yield* planOp(run, op));
  return { succeeded, ops };
}

function* planOp(run: TxnRun, { request: op }: RequestOp): Sliced<PlannedOp> {
  switch (op?.$case) {
    case "requestRange":
      return { kind: "range", request: op.value };
    case "requestPut":
      return { kind: "put", request: op.value };
    case "requestDeleteRange":
      return { kind: "deleteRange", request: op.value };
    case "requestTxn":
      return { kind: "txn", plan: yield* planTxn(run, op.value) };
    case undefined:
      return { kind: "none" };
  }
}

function forEachOp(plan: TxnPlan, visit: (op: PlannedOp) => void): void {
  for (const op of plan.ops) {
    if (op.kind === "txn") forEachOp(op.plan, visit);
    else visit(op);
  }
}

/** Checks the lease before the key, as for a put outside a transaction. etcd 3.7 has this order, etcd 3.4 has the opposite one. */
function checkPut({ index, leases }: StoreData, request: PutRequest): void {
  leases.check(leaseIdFrom(request.lease));
  if (request.ignoreValue || request.ignoreLease) {
    const key = keyFromBytes(request.key);
    if (index.findLive(key) === undefined) throw new KeyNotFoundError(key);
  }
}

/** Checks the revision of a range. A negative one is a compacted one, as in etcd; outside a transaction it means the newest revision. */
function checkRange(request: RangeRequest, before: Bounds): void {
  if (request.revision === 0n) return;
  const revision = counterFromRequest(request.revision);
  if (revision > before.revision) throw new FutureRevisionError(revision, before.revision);
  if (revision < before.compactRevision) throw new CompactedError(revision, before.compactRevision);
}

function* execute(run: TxnRun, plan: TxnPlan): Sliced<RawTxnResponse> {
  const responses: RawResponseOp[] = [];
  for (const op of plan.ops) {
    responses.push({ response: yield* respond(run, op) });
    if (run.write.shouldYield(1)) yield;
  }
  return { header: emptyHeader, succeeded: plan.succeeded, responses };
}

function* respond(run: TxnRun, op: PlannedOp): Sliced<RawResponseOp["response"]> {
  const { data, write, before } = run;
  switch (op.kind) {
    case "range": {
      data.stats.ranges++;
      const at = readRevision(run, op.request);
      const response = yield* readRange(data, op.request, {
        at,
        size: write.answerSize,
        shouldYield: write.shouldYield,
      });
      return { $case: "responseRange", value: { ...response, header: headerOf(write, before) } };
    }
    case "put": {
      const response = write.put(op.request);
      return { $case: "responsePut", value: { ...response, header: headerOf(write, before) } };
    }
    case "deleteRange": {
      const response = yield* write.deleteRange(op.request);
      return { $case: "responseDeleteRange", value: { ...response, header: headerOf(write, before) } };
    }
    case "txn":
      return { $case: "responseTxn", value: yield* execute(run, op.plan) };
    case "none":
      return undefined;
  }
}

/** Returns the revision at which a range of a transaction reads. */
function readRevision({ write, before }: TxnRun, request: RangeRequest): number {
  const asked = counterFromRequest(request.revision);
  if (asked > 0) return asked;
  // If this transaction has no change yet, `write.revision` may be the revision of another write that still runs, and must not be read.
  return write.hasChanged ? write.revision : before.revision;
}

/** Returns the header of one operation's response. Only its revision is set: the new one if the transaction has changed something already. */
const headerOf = (write: Write, before: Bounds): ResponseHeader => ({
  clusterId: 0n,
  memberId: 0n,
  revision: BigInt(write.hasChanged ? write.revision : before.revision),
  raftTerm: 0n,
});

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

/** A transaction whose branches are chosen. */
interface Plan {
  readonly succeeded: boolean;
  readonly ops: readonly PlannedOp[];
}

type PlannedOp =
  | { readonly kind: "range"; readonly request: RangeRequest }
  | { readonly kind: "put"; readonly request: PutRequest }
  | { readonly kind: "deleteRange"; readonly request: DeleteRangeRequest }
  | { readonly kind: "txn"; readonly plan: Plan }
  | { readonly kind: "none" };

/** The state of the store before the transaction. */
export interface Bounds {
  readonly revision: Revision;
  readonly compactRevision: Revision;
}

/** A transaction while it runs. */
interface Run {
  readonly data: StoreData;
  readonly write: Write;
  readonly before: Bounds;
}

const emptyHeader: ResponseHeader = { clusterId: 0n, memberId: 0n, revision: 0n, raftTerm: 0n };

/**
 * Runs a transaction, in slices: first all compares, nested ones too, against the state before it; then the checks of
 * everything that will run; then the operations in order, each seeing what those before it did.
 *
 * @throws StoreError; the caller undoes `write`
 * @see etcd v3 API, KV.Txn
 */
export function* runTxn(data: StoreData, request: TxnRequest, write: Write, before: Bounds): Sliced<RawTxnResponse> {
  const run = { data, write, before };
  const plan = yield* choose(run, request);
  // One after the other, as it shows when two are wrong.
  forEachOp(plan, (op) => {
    if (op.kind === "put") checkPut(data, op.request);
    else if (op.kind === "range") checkRange(op.request, before);
  });
  let operations = 0;
  forEachOp(plan, (op) => op.kind !== "none" && operations++);
  if (operations > 1) data.stats.txns++;
  return { ...(yield* execute(run, plan)), header: undefined };
}

/** Compares and operations of a transaction that is run at once: as many operations as a client may ask for by default. */
const maxSmallTxn = 128;

/** Whether everything in a transaction is about a single key, and it is not much. */
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
 * Runs a transaction at once if it is small, as most are: with the same result as `runTxn`, which takes a dozen generators for it.
 *
 * @returns undefined if it is not small: then nothing has changed
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

function respondAtOnce(run: Run, { request: op }: RequestOp): RawResponseOp["response"] {
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

function* choose(run: Run, request: TxnRequest): Sliced<Plan> {
  let succeeded = true;
  for (const compare of request.compare) {
    succeeded = yield* evaluateCompare(run.data, compare, run.before.revision, run.write.shouldYield);
    if (!succeeded) break;
  }
  const ops: PlannedOp[] = [];
  for (const op of succeeded ? request.success : request.failure) ops.push(yield* planOp(run, op));
  return { succeeded, ops };
}

function* planOp(run: Run, { request: op }: RequestOp): Sliced<PlannedOp> {
  switch (op?.$case) {
    case "requestRange":
      return { kind: "range", request: op.value };
    case "requestPut":
      return { kind: "put", request: op.value };
    case "requestDeleteRange":
      return { kind: "deleteRange", request: op.value };
    case "requestTxn":
      return { kind: "txn", plan: yield* choose(run, op.value) };
    case undefined:
      return { kind: "none" };
  }
}

function forEachOp(plan: Plan, visit: (op: PlannedOp) => void): void {
  for (const op of plan.ops) {
    if (op.kind === "txn") forEachOp(op.plan, visit);
    else visit(op);
  }
}

/** Looks at the lease before the key, as for a put by itself: the order of etcd 3.7, and not of 3.4. */
function checkPut({ index, leases }: StoreData, request: PutRequest): void {
  leases.check(leaseIdFrom(request.lease));
  if (request.ignoreValue || request.ignoreLease) {
    const key = keyFromBytes(request.key);
    if (index.findLive(key) === undefined) throw new KeyNotFoundError(key);
  }
}

/** A negative revision is "the newest" for a Range by itself, but a compacted one here, as in etcd. */
function checkRange(request: RangeRequest, before: Bounds): void {
  if (request.revision === 0n) return;
  const revision = counterFromRequest(request.revision);
  if (revision > before.revision) throw new FutureRevisionError(revision, before.revision);
  if (revision < before.compactRevision) throw new CompactedError(revision, before.compactRevision);
}

function* execute(run: Run, plan: Plan): Sliced<RawTxnResponse> {
  const responses: RawResponseOp[] = [];
  for (const op of plan.ops) {
    responses.push({ response: yield* respond(run, op) });
    if (run.write.shouldYield(1)) yield;
  }
  return { header: emptyHeader, succeeded: plan.succeeded, responses };
}

function* respond(run: Run, op: PlannedOp): Sliced<RawResponseOp["response"]> {
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

/** The revision that an operation of a transaction reads at. */
function readRevision({ write, before }: Run, request: RangeRequest): number {
  const asked = counterFromRequest(request.revision);
  if (asked > 0) return asked;
  // Without a change of its own the new revision may be another write's, which is not finished.
  return write.hasChanged ? write.revision : before.revision;
}

/** The new revision from the first change on, and only that field. */
const headerOf = (write: Write, before: Bounds): ResponseHeader => ({
  clusterId: 0n,
  memberId: 0n,
  revision: BigInt(write.hasChanged ? write.revision : before.revision),
  raftTerm: 0n,
});

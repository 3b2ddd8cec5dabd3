import { counterFromRequest } from "../proto/index.js";
import type {
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RawResponseOp,
  RawTxnResponse,
  RequestOp,
  ResponseHeader,
  TxnRequest,
} from "../proto/index.js";
import { compareHolds } from "./compare.js";
import { CompactedError, FutureRevisionError, KeyNotFoundError } from "./errors.js";
import { keyFromBytes } from "./interval.js";
import { readRange } from "./range.js";
import type { Revision } from "./revision.js";
import { atOnce } from "./slices.js";
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

/** Where the store was before the transaction. */
export interface Bounds {
  readonly revision: Revision;
  readonly compactRevision: Revision;
}

const emptyHeader: ResponseHeader = { clusterId: 0n, memberId: 0n, revision: 0n, raftTerm: 0n };

/**
 * Runs a transaction: first all compares, nested ones too, against the state before it; then the checks of everything
 * that will run; then the operations in order, each seeing what those before it did.
 *
 * @throws StoreError; the caller undoes `write`
 * @see etcd v3 API, KV.Txn
 */
export function runTxn(data: StoreData, request: TxnRequest, write: Write, before: Bounds): RawTxnResponse {
  const plan = choose(data, request);
  // In this order, as it shows when two are wrong.
  forEachOp(plan, (op) => op.kind === "put" && checkPut(data, op.request));
  forEachOp(plan, (op) => op.kind === "range" && checkRange(op.request, before));
  return { ...execute(data, plan, write, before), header: undefined };
}

function choose(data: StoreData, request: TxnRequest): Plan {
  const succeeded = request.compare.every((compare) => compareHolds(data, compare));
  const branch = succeeded ? request.success : request.failure;
  return { succeeded, ops: branch.map((op) => plannedOp(data, op)) };
}

function plannedOp(data: StoreData, { request: op }: RequestOp): PlannedOp {
  switch (op?.$case) {
    case "requestRange":
      return { kind: "range", request: op.value };
    case "requestPut":
      return { kind: "put", request: op.value };
    case "requestDeleteRange":
      return { kind: "deleteRange", request: op.value };
    case "requestTxn":
      return { kind: "txn", plan: choose(data, op.value) };
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

/** The other way round than for a put by itself, as in etcd. */
function checkPut({ index, leases }: StoreData, request: PutRequest): void {
  if (request.ignoreValue || request.ignoreLease) {
    const key = keyFromBytes(request.key);
    if (index.live(key) === undefined) throw new KeyNotFoundError(key);
  }
  leases.check(request.lease);
}

/** A negative revision is "the newest" for a Range by itself, but a compacted one here, as in etcd. */
function checkRange(request: RangeRequest, before: Bounds): void {
  if (request.revision === 0n) return;
  const revision = counterFromRequest(request.revision);
  if (revision > before.revision) throw new FutureRevisionError(revision, before.revision);
  if (revision < before.compactRevision) throw new CompactedError(revision, before.compactRevision);
}

function execute(data: StoreData, plan: Plan, write: Write, before: Bounds): RawTxnResponse {
  const responses = plan.ops.map((op): RawResponseOp => ({ response: respond(data, op, write, before) }));
  return { header: emptyHeader, succeeded: plan.succeeded, responses };
}

function respond(data: StoreData, op: PlannedOp, write: Write, before: Bounds): RawResponseOp["response"] {
  switch (op.kind) {
    case "range": {
      const asked = counterFromRequest(op.request.revision);
      const response = atOnce(readRange(data, op.request, asked > 0 ? asked : write.revision, write.answerSize));
      return { $case: "responseRange", value: { ...response, header: headerOf(write, before) } };
    }
    case "put": {
      const response = write.put(op.request);
      return { $case: "responsePut", value: { ...response, header: headerOf(write, before) } };
    }
    case "deleteRange": {
      const response = write.deleteRange(op.request);
      return { $case: "responseDeleteRange", value: { ...response, header: headerOf(write, before) } };
    }
    case "txn":
      return { $case: "responseTxn", value: execute(data, op.plan, write, before) };
    case "none":
      return undefined;
  }
}

/** The new revision from the first change on, and only that field. */
const headerOf = (write: Write, before: Bounds): ResponseHeader => ({
  ...emptyHeader,
  revision: BigInt(write.hasChanged ? write.revision : before.revision),
});

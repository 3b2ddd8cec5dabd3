// Checks a KV request before it is proposed or read: etcd's checks, in etcd's order.

import {
  RangeRequest_SortOrder as SortOrder,
  RangeRequest_SortTarget as SortTarget,
  type DeleteRangeRequest,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  type TxnRequest,
} from "../../proto/index.js";
import { ServerError, type ServerErrorCode } from "../base/index.js";
import { KeyIntervals } from "./key-intervals.js";

const refuse = (code: ServerErrorCode, message: string): never => {
  throw new ServerError(code, message);
};

const mustHaveKey = (key: Uint8Array): void => {
  if (key.length === 0) refuse("empty-key", "the request has no key");
};

const sortOrders = new Set<number>(Object.values(SortOrder));
const sortTargets = new Set<number>(Object.values(SortTarget));

/** Checks the key and the sort options of a Range request. @throws ServerError `empty-key`, `invalid-sort-option` */
export const checkRange = (request: RangeRequest): void => {
  mustHaveKey(request.key);
  if (!sortOrders.has(request.sortOrder) || !sortTargets.has(request.sortTarget))
    refuse("invalid-sort-option", `unknown sort order ${request.sortOrder} or target ${request.sortTarget}`);
};

/** Checks a RangeStream request, in etcd's order. */
export const checkRangeStream = (request: RangeRequest): void => {
  checkRange(request);
  const { sortOrder, sortTarget } = request;
  const isPlain = sortOrder === SortOrder.NONE || (sortOrder === SortOrder.ASCEND && sortTarget === SortTarget.KEY);
  if (!isPlain) refuse("stream-sort", `cannot stream in order ${sortOrder} of target ${sortTarget}`);
  const bounds = [request.minModRevision, request.maxModRevision, request.minCreateRevision, request.maxCreateRevision];
  if (bounds.some((bound) => bound !== 0n)) refuse("stream-filters", "cannot stream with bounds on revisions");
};

/**
 * Checks that a Put request has a key, and no value or lease that it says to ignore. @throws ServerError `empty-key`,
 * `value-provided`, `lease-provided`
 */
export const checkPut = (request: PutRequest): void => {
  mustHaveKey(request.key);
  if (request.ignoreValue && request.value.length > 0) refuse("value-provided", "ignore_value with a value");
  if (request.ignoreLease && request.lease !== 0n) refuse("lease-provided", "ignore_lease with a lease");
};

/** Checks that a DeleteRange request has a key. @throws ServerError `empty-key` */
export const checkDeleteRange = (request: DeleteRangeRequest): void => mustHaveKey(request.key);

/** Whether a transaction only reads. A nested transaction counts as a change, as in etcd. */
export const isReadOnly = ({ success, failure }: TxnRequest): boolean =>
  success.every(isRange) && failure.every(isRange);

const isRange = ({ request }: RequestOp): boolean => request?.$case === "requestRange";

/**
 * The maximum depth of nested transactions, whatever `--max-txn-ops` is; the default of that flag allows no deeper ones. Each
 * level is one more recursive call, also on apply: the bound keeps a member with a small stack from failing at an entry that
 * other members can apply.
 */
const maxTxnDepth = 129;

/**
 * Checks a transaction with all nested ones.
 *
 * @param maxOperations the maximum number of compares, and of operations of a branch; a nested transaction gets the remainder
 */
export const checkTxn = (request: TxnRequest, maxOperations: number): void => {
  checkLevel(request, maxOperations, maxTxnDepth);
  collectWrites(request.success);
  collectWrites(request.failure);
};

const checkLevel = ({ compare, success, failure }: TxnRequest, allowance: number, depth: number): void => {
  const operations = Math.max(compare.length, success.length, failure.length);
  if (operations > allowance) refuse("too-many-operations", `${operations} operations, ${allowance} allowed`);
  if (depth === 0) refuse("too-many-operations", `more than ${maxTxnDepth} transactions within each other`);
  for (const { key } of compare) mustHaveKey(key);
  for (const { request } of success) checkOperation(request, allowance - operations, depth - 1);
  for (const { request } of failure) checkOperation(request, allowance - operations, depth - 1);
};

const checkOperation = (operation: RequestOp["request"], allowance: number, depth: number): void => {
  switch (operation?.$case) {
    case "requestRange":
      return checkRange(operation.value);
    case "requestPut":
      return checkPut(operation.value);
    case "requestDeleteRange":
      return checkDeleteRange(operation.value);
    case "requestTxn":
      return checkLevel(operation.value, allowance, depth);
    case undefined:
      return refuse("key-of-operation-missing", "an operation of the transaction is empty");
  }
};

const text = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");

interface Writes {
  readonly puts: Set<string>;
  readonly deletes: KeyIntervals;
}

/**
 * Enforces etcd's duplicate-key rule: within one branch no key may be put twice, or put and deleted, whichever nested branch is
 * executed. Returns the writes of the branch, for the level above. etcd's order of collection leaves two exceptions, which are
 * part of the API: a nested put *before* a sibling's nested delete, and open-ended deletes.
 */
const collectWrites = (operations: readonly RequestOp[]): Writes => {
  const deletes = new KeyIntervals();
  for (const { request } of operations) if (request?.$case === "requestDeleteRange") addDelete(deletes, request.value);
  const puts = new Set<string>();
  for (const { request } of operations)
    if (request?.$case === "requestTxn") addNested({ puts, deletes }, request.value);
  for (const { request } of operations) {
    if (request?.$case !== "requestPut") continue;
    const key = text(request.value.key);
    mustBeNew(key, { puts, deletes });
    puts.add(key);
  }
  return { puts, deletes };
};

const addDelete = (deletes: KeyIntervals, { key, rangeEnd }: DeleteRangeRequest): void => {
  const from = text(key);
  if (rangeEnd.length === 0) deletes.add(from, from + "\0");
  // etcd compares an open end ("\0") as an ordinary key: such an interval is empty and covers nothing.
  else if (from < text(rangeEnd)) deletes.add(from, text(rangeEnd));
};

const addNested = (level: Writes, txn: TxnRequest): void => {
  const success = collectWrites(txn.success);
  const failure = collectWrites(txn.failure);
  for (const key of success.puts) mustBeNew(key, level);
  for (const key of failure.puts) mustBeNew(key, level); // Both branches are checked before either is added: only one of them is executed.
  for (const key of success.puts) level.puts.add(key);
  for (const key of failure.puts) level.puts.add(key);
  level.deletes.addAll(success.deletes);
  level.deletes.addAll(failure.deletes);
};

const mustBeNew = (key: string, { puts, deletes }: Writes): void => {
  if (puts.has(key) || deletes.hasKey(key)) refuse("duplicate-key", `key ${JSON.stringify(key)} is written twice`);
};

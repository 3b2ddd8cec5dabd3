// The cost of a write, by etcd's estimate.

import type { PutRequest, RequestOp, TxnRequest } from "../../proto/index.js";

/** The estimated bytes of a key's row beside key and value. */
const keyValueOverhead = 256;

/** The cost of a lease, in bytes. */
export const leaseCost = 64;

/** Returns the cost of a put, in bytes. */
export const putCost = ({ key, value }: PutRequest): number => keyValueOverhead + key.length + value.length;

/** Returns the cost of a transaction's more expensive branch, in bytes; 0: it puts nothing. */
export const txnCost = ({ success, failure }: TxnRequest): number => Math.max(branchCost(success), branchCost(failure));

const branchCost = (operations: readonly RequestOp[]): number =>
  operations.reduce((sum, { request }) => sum + operationCost(request), 0);

const operationCost = (request: RequestOp["request"]): number => {
  if (request?.$case === "requestPut") return putCost(request.value);
  return request?.$case === "requestTxn" ? txnCost(request.value) : 0;
};

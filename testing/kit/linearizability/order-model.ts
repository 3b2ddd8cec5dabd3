// The keys of a model for the search of an order: an immutable value; each step returns a new one.

import { CopyingStore, Refused } from "../../index.js";
import type { KeyValue } from "../../../proto/index.js";
import { type Operation, putsOf } from "./operation.js";
import type { PendingEffect } from "./order-steps.js";

/** All keys, by their bytes as text. */
export type ModelKeys = ReadonlyMap<string, KeyValue>;

/** The effect of an operation on keys. */
export interface ModelResult {
  readonly keys: ModelKeys;
  readonly isChange: boolean;
  /** The operation with the model's answer; undefined: the model refuses the operation. */
  readonly answer: Operation | undefined;
}

/** Runs an operation on keys. A change makes `revision`. */
export const runOn = (keys: ModelKeys, operation: Operation, revision: number): ModelResult => {
  const store = new CopyingStore(revision - 1, keys);
  for (const { lease } of putsOf(operation)) if (!store.hasLease(lease)) store.grantLease(lease); // leases are not part of the model
  try {
    const answer = answerOperation(store, operation);
    return { keys: store.now, isChange: store.revision === revision, answer };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { keys, isChange: false, answer: undefined };
  }
};

/** Runs a pending change on keys, like `runOn`. @returns undefined if it changes nothing */
export const runPending = (keys: ModelKeys, { cause }: PendingEffect, revision: number): ModelKeys | undefined => {
  if (cause.kind !== "lease-end") {
    const result = runOn(keys, cause, revision);
    return result.isChange ? result.keys : undefined;
  }
  const store = new CopyingStore(revision - 1, keys);
  store.deleteAttached(cause.lease);
  return store.revision === revision ? store.now : undefined;
};

const answerOperation = (store: CopyingStore, operation: Operation): Operation => {
  switch (operation.kind) {
    case "put":
      return { ...operation, response: store.put(operation.request) };
    case "delete":
      return { ...operation, response: store.deleteRange(operation.request) };
    case "txn":
      return { ...operation, response: store.txn(operation.request) };
    case "get":
      return { ...operation, response: store.range({ ...operation.request, revision: 0n }) };
  }
};

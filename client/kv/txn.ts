// Transactions: comparisons and two branches; one branch runs.
import {
  Compare_CompareResult,
  Compare_CompareTarget,
  type Compare as WireCompare,
  type RequestOp,
  type ResponseOp,
  type TxnRequest,
  type TxnResponse,
} from "../../proto/index.js";
import { type Header, headerOf } from "../transport/index.js";
import type { KeySpace } from "./key-space.js";
import { intervalOf, toBytes, type Bytes, type KeyInterval } from "./keys.js";
import {
  deleteRequest,
  deleteResult,
  getResult,
  putRequest,
  putResult,
  rangeRequest,
  type DeleteResult,
  type DeleteSettings,
  type GetResult,
  type GetSettings,
  type PutResult,
  type PutSettings,
} from "./kv-ops.js";

/**
 * A condition of a transaction. A missing key has version, revisions and lease 0, and a comparison of its value is never met. The
 * condition of an interval must hold for each of its keys.
 */
export type Compare = {
  /** The key, or the first key of the interval. */
  readonly key: Bytes;
  /** The comparison of `target` with `than`. */
  readonly is: "=" | "!=" | "<" | ">";
} & KeyInterval &
  (
    | { readonly target: "version" | "createRevision" | "modRevision"; readonly than: number }
    | { readonly target: "value"; readonly than: Bytes }
    | { readonly target: "lease"; readonly than: bigint }
  );

/** An operation of a transaction. @see etcd v3 API, RequestOp */
export type TxnOp =
  | ({ readonly op: "get"; readonly key: Bytes } & GetSettings)
  | ({ readonly op: "put"; readonly key: Bytes; readonly value: Bytes } & PutSettings)
  | ({ readonly op: "delete"; readonly key: Bytes } & DeleteSettings)
  | ({ readonly op: "txn" } & Txn);

/** A transaction: runs `success` if all comparisons hold, otherwise `failure`. @see etcd v3 API, TxnRequest */
export interface Txn {
  /** Conditions on the keys before any operation, including those of an outer transaction. Absent: none, so `success` runs. */
  readonly compare?: readonly Compare[] | undefined;
  /** Operations to run if all conditions are met. */
  readonly success?: readonly TxnOp[] | undefined;
  /** Operations to run otherwise. */
  readonly failure?: readonly TxnOp[] | undefined;
}

/** The result of one operation of a transaction. @see etcd v3 API, ResponseOp */
export type TxnOpResult =
  | ({ readonly op: "get" } & GetResult)
  | ({ readonly op: "put" } & PutResult)
  | ({ readonly op: "delete" } & DeleteResult)
  | ({ readonly op: "txn" } & TxnResult);

/** The answer to a transaction. @see etcd v3 API, TxnResponse */
export interface TxnResult {
  readonly header: Header;
  /** Whether `success` ran. */
  readonly succeeded: boolean;
  /** The results of the branch that ran, in the order of its operations. */
  readonly responses: readonly TxnOpResult[];
}

const results = {
  "=": Compare_CompareResult.EQUAL,
  "!=": Compare_CompareResult.NOT_EQUAL,
  "<": Compare_CompareResult.LESS,
  ">": Compare_CompareResult.GREATER,
} as const;

/** Whether a transaction changes nothing, whichever branch runs. */
export const isReadOnly = ({ success = [], failure = [] }: Txn): boolean =>
  [...success, ...failure].every((step) => step.op === "get" || (step.op === "txn" && isReadOnly(step)));

/** Builds the request of a transaction. */
export const txnRequest = ({ compare = [], success = [], failure = [] }: Txn, keys: KeySpace): TxnRequest => ({
  compare: compare.map((each) => wireCompare(each, keys)),
  success: success.map((step) => requestOp(step, keys)),
  failure: failure.map((step) => requestOp(step, keys)),
});

/**
 * Reads the answer to a transaction.
 *
 * @throws TypeError if an operation's result is missing
 */
export const txnResult = (response: TxnResponse, keys: KeySpace): TxnResult => ({
  header: headerOf(response.header),
  succeeded: response.succeeded,
  responses: response.responses.map((each) => opResult(each, keys)),
});

function wireCompare(compare: Compare, keys: KeySpace): WireCompare {
  const common = { ...keys.interval(intervalOf(compare.key, compare)), result: results[compare.is] };
  switch (compare.target) {
    case "version": {
      const targetUnion = { $case: "version", value: BigInt(compare.than) } as const;
      return { ...common, target: Compare_CompareTarget.VERSION, targetUnion };
    }
    case "createRevision": {
      const targetUnion = { $case: "createRevision", value: BigInt(compare.than) } as const;
      return { ...common, target: Compare_CompareTarget.CREATE, targetUnion };
    }
    case "modRevision": {
      const targetUnion = { $case: "modRevision", value: BigInt(compare.than) } as const;
      return { ...common, target: Compare_CompareTarget.MOD, targetUnion };
    }
    case "value": {
      const targetUnion = { $case: "value", value: toBytes(compare.than) } as const;
      return { ...common, target: Compare_CompareTarget.VALUE, targetUnion };
    }
    case "lease": {
      const targetUnion = { $case: "lease", value: compare.than } as const;
      return { ...common, target: Compare_CompareTarget.LEASE, targetUnion };
    }
  }
}

function requestOp(step: TxnOp, keys: KeySpace): RequestOp {
  switch (step.op) {
    case "get":
      return { request: { $case: "requestRange", value: rangeRequest(step.key, step, keys) } };
    case "put":
      return { request: { $case: "requestPut", value: putRequest(step.key, step.value, step, keys) } };
    case "delete":
      return { request: { $case: "requestDeleteRange", value: deleteRequest(step.key, step, keys) } };
    case "txn":
      return { request: { $case: "requestTxn", value: txnRequest(step, keys) } };
  }
}

function opResult({ response }: ResponseOp, keys: KeySpace): TxnOpResult {
  switch (response?.$case) {
    case "responseRange":
      return { op: "get", ...getResult(response.value, keys) };
    case "responsePut":
      return { op: "put", ...putResult(response.value, keys) };
    case "responseDeleteRange":
      return { op: "delete", ...deleteResult(response.value, keys) };
    case "responseTxn":
      return { op: "txn", ...txnResult(response.value, keys) };
    case undefined:
      throw new TypeError("Cannot read a transaction's answer: an operation has none");
  }
}

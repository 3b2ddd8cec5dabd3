// Operations on keys, as their clients see them: each with the time of its call and of its answer, if it has one.

import type {
  DeleteRangeRequest,
  DeleteRangeResponse,
  KeyValue,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  ResponseHeader,
  ResponseOp,
  TxnRequest,
  TxnResponse,
} from "../../../proto/index.js";

/** The outcome of an operation; `unknown`: it may have been executed, or may still be executed. */
export type OperationOutcome = "ok" | "failed" | "unknown";

/** An operation of one kind. */
interface OperationOf<Kind extends string, Request, Response> {
  readonly kind: Kind;
  /** Name of the client. */
  readonly client: string;
  /** Time of the call, in any unit; the clock is the same for all clients. */
  readonly invoked: number;
  /** Time of the answer, or the time when the client gave up. */
  readonly returned: number;
  readonly outcome: OperationOutcome;
  /** The request, in etcd's API. */
  readonly request: Request;
  /** The answer of an operation that is `ok`. An answer without a header has no revision and cannot be checked. */
  readonly response: Response | undefined;
}

/** An operation on keys: a put, a read, a delete or a transaction, as one client saw it. */
export type Operation =
  | OperationOf<"put", PutRequest, PutResponse>
  | OperationOf<"get", RangeRequest, RangeResponse>
  | OperationOf<"delete", DeleteRangeRequest, DeleteRangeResponse>
  | OperationOf<"txn", TxnRequest, TxnResponse>;

/** The operations of all clients of a cluster, and its contents before them. */
export interface History {
  readonly operations: readonly Operation[];
  /** The newest revision before the first operation; 1 if the cluster was empty. */
  readonly startRevision: number;
  /** All keys at that revision. */
  readonly startKeys: readonly KeyValue[];
}

/** Keys of an operation: one, or an interval. `to` is absent for one key, "\0" for all keys from `from` on. */
export interface KeySpan {
  readonly from: string;
  readonly to: string | undefined;
}

/** Returns bytes as text with one character for each byte, which has the same order as the bytes. */
export const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

const spanOf = ({ key, rangeEnd }: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array }): KeySpan => ({
  from: latin1(key),
  to: rangeEnd.length === 0 ? undefined : latin1(rangeEnd),
});

/** Returns the keys that an operation reads, compares or changes. */
export const spansOf = (operation: Pick<Operation, "kind" | "request">): readonly KeySpan[] => {
  const { kind, request } = operation as Operation;
  if (kind === "put") return [{ from: latin1(request.key), to: undefined }];
  return kind === "txn" ? spansOfTxn(request) : [spanOf(request)];
};

const spansOfTxn = ({ compare, success, failure }: TxnRequest): readonly KeySpan[] => [
  ...compare.map(spanOf),
  ...[...success, ...failure].flatMap(({ request }): readonly KeySpan[] => {
    if (request === undefined) return [];
    if (request.$case === "requestTxn") return spansOfTxn(request.value);
    return request.$case === "requestPut"
      ? [{ from: latin1(request.value.key), to: undefined }]
      : [spanOf(request.value)];
  }),
];

/** Whether a key may be in both lists. */
export const haveCommonKey = (some: readonly KeySpan[], others: readonly KeySpan[]): boolean =>
  some.some((one) => others.some((other) => hasKey(one, other.from) || hasKey(other, one.from)));

const hasKey = ({ from, to }: KeySpan, key: string): boolean => {
  if (to === undefined) return key === from;
  return key >= from && (to === "\0" || key < to);
};

/** Whether a read in a transaction sets a revision. */
export const isReadOfPast = ({ kind, request }: Pick<Operation, "kind" | "request">): boolean =>
  kind === "txn" && txnReadsThePast(request as TxnRequest);

const txnReadsThePast = ({ success, failure }: TxnRequest): boolean =>
  [...success, ...failure].some(({ request }) =>
    request?.$case === "requestTxn"
      ? txnReadsThePast(request.value)
      : request?.$case === "requestRange" && request.value.revision > 0n,
  );

/** Returns the puts that an operation may execute, in both branches of transactions. */
export const putsOf = (operation: Pick<Operation, "kind" | "request">): readonly PutRequest[] => {
  const { kind, request } = operation as Operation;
  if (kind === "put") return [request];
  return kind === "txn" ? putsOfTxn(request) : [];
};

const putsOfTxn = ({ success, failure }: TxnRequest): readonly PutRequest[] =>
  [...success, ...failure].flatMap(({ request }) => {
    if (request?.$case === "requestTxn") return putsOfTxn(request.value);
    return request?.$case === "requestPut" ? [request.value] : [];
  });

/** Whether an operation may change keys. */
export const isWrite = (operation: Pick<Operation, "kind" | "request">): boolean => {
  const { kind, request } = operation as Operation;
  return kind === "txn" ? txnWrites(request) : kind !== "get";
};

const txnWrites = ({ success, failure }: TxnRequest): boolean =>
  [...success, ...failure].some(({ request }) =>
    request?.$case === "requestTxn" ? txnWrites(request.value) : request?.$case !== "requestRange",
  );

/** Whether an answer shows that keys were changed. */
export const hasChanged = ({ kind, response }: Operation): boolean => {
  if (response === undefined) return false;
  if (kind === "put") return true;
  if (kind === "delete") return response.deleted > 0n;
  return kind === "txn" && txnHasChanged(response);
};

const txnHasChanged = ({ responses }: TxnResponse): boolean => responses.some(({ response }) => opHasChanged(response));

const opHasChanged = (response: ResponseOp["response"]): boolean => {
  switch (response?.$case) {
    case "responsePut":
      return true;
    case "responseDeleteRange":
      return response.value.deleted > 0n;
    case "responseTxn":
      return txnHasChanged(response.value);
    case "responseRange":
    case undefined:
      return false;
  }
};

/** A key in an answer. */
export interface ShownKey {
  readonly kv: KeyValue;
  /** False: only the key was requested. */
  readonly hasValue: boolean;
}

/** Returns the keys in an answer. */
export const keysShownBy = (operation: Operation): readonly ShownKey[] => {
  const { kind, request, response } = operation;
  if (response === undefined) return [];
  if (kind === "put") return response.prevKv === undefined ? [] : [{ kv: response.prevKv, hasValue: true }];
  if (kind === "delete") return response.prevKvs.map((kv) => ({ kv, hasValue: true }));
  return kind === "get" ? keysShownByRange(request, response) : keysShownByTxn(request, response);
};

const keysShownByRange = ({ keysOnly }: RangeRequest, { kvs }: RangeResponse): readonly ShownKey[] =>
  kvs.map((kv) => ({ kv, hasValue: !keysOnly }));

const keysShownByTxn = ({ success, failure }: TxnRequest, { succeeded, responses }: TxnResponse): readonly ShownKey[] =>
  responses.flatMap(({ response }, at): readonly ShownKey[] => {
    const request = (succeeded ? success : failure)[at]?.request;
    if (response?.$case === "responseRange" && request?.$case === "requestRange")
      return keysShownByRange(request.value, response.value);
    if (response?.$case === "responseTxn" && request?.$case === "requestTxn")
      return keysShownByTxn(request.value, response.value);
    if (response?.$case === "responseDeleteRange") return response.value.prevKvs.map((kv) => ({ kv, hasValue: true }));
    const prevKv = response?.$case === "responsePut" ? response.value.prevKv : undefined;
    return prevKv === undefined ? [] : [{ kv: prevKv, hasValue: true }];
  });

/** Returns the revision of an answer; undefined without an answer, or without its header. */
export const revisionOf = ({ response }: Operation): number | undefined => {
  const header: ResponseHeader | undefined = response?.header;
  return header === undefined ? undefined : Number(header.revision);
};

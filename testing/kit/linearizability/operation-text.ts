// Formats operations on keys as lines for people.

import {
  type Compare,
  Compare_CompareResult as Result,
  type KeyValue,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  type ResponseOp,
  type TxnRequest,
} from "../../../proto/index.js";
import { type Operation, revisionOf } from "./operation.js";

/** Longest text of a key or value that is shown in full. */
const shownLength = 40;

const show = (bytes: Uint8Array): string => {
  const text = Buffer.from(bytes).toString();
  return JSON.stringify(text.length > shownLength ? `${text.slice(0, shownLength)}…` : text);
};

const showSpan = ({ key, rangeEnd }: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array }): string =>
  rangeEnd.length === 0 ? show(key) : `[${show(key)}, ${show(rangeEnd)})`;

const showPut = ({ key, value }: PutRequest): string => `put ${show(key)} = ${show(value)}`;

const showGet = (request: RangeRequest): string =>
  `get ${showSpan(request)}${request.revision > 0n ? ` at ${request.revision}` : ""}`;

const signs: Readonly<Partial<Record<Result, string>>> = {
  [Result.EQUAL]: "=",
  [Result.NOT_EQUAL]: "!=",
  [Result.GREATER]: ">",
  [Result.LESS]: "<",
};

const showCompare = ({ targetUnion, result, ...span }: Compare): string => {
  const given = targetUnion?.value;
  const value = given instanceof Uint8Array ? show(given) : String(given);
  return `${targetUnion?.$case ?? "nothing"} of ${showSpan(span)} ${signs[result] ?? "?"} ${value}`;
};

const showOp = ({ request }: RequestOp): string => {
  switch (request?.$case) {
    case "requestPut":
      return showPut(request.value);
    case "requestRange":
      return showGet(request.value);
    case "requestDeleteRange":
      return `delete ${showSpan(request.value)}`;
    case "requestTxn":
      return `(${showTxn(request.value)})`;
    case undefined:
      return "nothing";
  }
};

const showTxn = ({ compare, success, failure }: TxnRequest): string => {
  const list = (ops: readonly RequestOp[]): string => ops.map(showOp).join(", ") || "nothing";
  const condition = compare.map(showCompare).join(" and ");
  if (condition === "") return `txn ${list(success)}`;
  return `txn if ${condition}: ${list(success)}${failure.length === 0 ? "" : ` else ${list(failure)}`}`;
};

/** Formats a request: `put "a" = "1"`. */
export const requestText = ({ kind, request }: Pick<Operation, "kind" | "request">): string => {
  const operation = { kind, request } as Operation;
  if (operation.kind === "put") return showPut(operation.request);
  if (operation.kind === "get") return showGet(operation.request);
  return operation.kind === "delete" ? `delete ${showSpan(operation.request)}` : showTxn(operation.request);
};

const showKvs = (kvs: readonly KeyValue[]): string =>
  kvs.length === 0
    ? "no keys"
    : kvs.map(({ key, value, modRevision }) => `${show(key)} = ${show(value)} of ${modRevision}`).join(", ");

const showResponseOp = ({ response }: ResponseOp): string => {
  if (response?.$case === "responseRange") return showKvs(response.value.kvs);
  if (response?.$case === "responseDeleteRange") return `${response.value.deleted} deleted`;
  return response?.$case === "responsePut" ? "put" : "done";
};

/** Formats an answer without its header: `"a" = "1" of 7`. */
export const answerText = (operation: Operation): string => {
  const { kind, response } = operation;
  if (response === undefined) return operation.outcome;
  if (kind === "put") return "done";
  if (kind === "get") return showKvs(response.kvs);
  if (kind === "delete") return `${response.deleted} deleted`;
  const answers = response.responses.map(showResponseOp).join("; ");
  return `${response.succeeded ? "succeeded" : "not succeeded"}${answers === "" ? "" : `: ${answers}`}`;
};

/** Formats an operation with its client, its times and its answer. */
export const operationText = (operation: Operation): string => {
  const { client, invoked, returned, outcome } = operation;
  const revision = revisionOf(operation);
  const end = outcome === "ok" ? `${answerText(operation)}, revision ${revision}` : outcome;
  return `${client} [${time(invoked)}, ${time(returned)}] ${requestText(operation)}: ${end}`;
};

const time = (at: number): string => String(Math.round(at * 1_000) / 1_000);

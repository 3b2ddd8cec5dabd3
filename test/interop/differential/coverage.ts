// Outcomes that the generated sequences are known to have. If one is missing, the sequences compare less than intended.
import type {
  Compare,
  RangeRequest,
  RangeResponse,
  RequestOp,
  ResponseHeader,
  TxnRequest,
  TxnResponse,
} from "../../../proto/index.js";
import { leaseOutcomes } from "./lease-coverage.js";
import { masks } from "./masks.js";
import type { Answer, Fields, Request } from "./requests.js";

function rangeOutcomes(request: RangeRequest, { kvs, more, count }: RangeResponse): string[] {
  const { sortOrder, sortTarget, limit } = request;
  const filtered =
    request.minModRevision > 0n ||
    request.maxModRevision > 0n ||
    request.minCreateRevision > 0n ||
    request.maxCreateRevision > 0n;
  const outcomes: [boolean, string][] = [
    [count === 0n, "range: nothing"],
    [kvs.length > 1, "range: several"],
    [more, "range: more"],
    [kvs.length > 1, `range: several by target ${sortTarget} in order ${sortOrder}`],
    [more && sortOrder === 0 && sortTarget !== 0, "range: cut before it is sorted"],
    [filtered && kvs.length > 0 && kvs.length < Number(count) && !more, "range: some filtered out"],
    [request.countOnly && count > 0n, "range: only a count"],
    [request.keysOnly && kvs.length > 0, "range: only keys"],
    [request.revision > 0n && kvs.length > 0, "range: from the past"],
    [request.revision < 0n && kvs.length > 0, "range: at a negative revision"],
    [request.serializable && kvs.length > 0, "range: serializable"],
    [limit < 0n && kvs.length > 0, "range: negative limit"],
  ];
  return outcomes.filter(([happened]) => happened).map(([, outcome]) => outcome);
}

const countWords = (count: number) => (count === 0 ? "none" : count === 1 ? "one" : "several");

function operationOutcomes({ request }: RequestOp, response: TxnResponse["responses"][number]["response"]): string[] {
  if (response?.$case === "responseTxn" && request?.$case === "requestTxn")
    return [`txn: nested ${branch(response.value)}`, ...txnOutcomes(request.value, response.value)];
  if (response?.$case === "responseDeleteRange") return [`txn: delete ${countWords(Number(response.value.deleted))}`];
  if (response?.$case === "responsePut") return ["txn: put"];
  if (response?.$case === "responseRange" && request?.$case === "requestRange")
    return rangeOutcomes(request.value, response.value).map((outcome) => `txn: ${outcome}`);
  return [];
}

const branch = ({ succeeded }: TxnResponse) => (succeeded ? "success" : "failure");

function compareOutcome({ target, result }: Compare, { succeeded }: TxnResponse): string {
  return `compare: target ${target}, result ${result}: ${succeeded}`;
}

function txnOutcomes(request: TxnRequest, response: TxnResponse): string[] {
  const { compare, success, failure } = request;
  const operations = response.succeeded ? success : failure;
  const [only, ...others] = compare;
  return [
    ...(only !== undefined && others.length === 0 ? [compareOutcome(only, response)] : []),
    ...(operations.length > 0 ? [`txn: ${branch(response)}`] : []),
    ...operations.flatMap((operation, index) => operationOutcomes(operation, response.responses[index]?.response)),
  ];
}

const revisionOf = (fields: Fields) => (fields["header"] as ResponseHeader).revision;

/** Returns the names of a request's outcomes; there may be several. */
export function outcomes(request: Request, answer: Answer): string[] {
  if (answer.kind === "error") return [`${request.method}: error ${answer.code} ${answer.details}`];
  const fields = answer.message;
  switch (request.method) {
    case "range":
      return rangeOutcomes(request.message, fields as unknown as RangeResponse);
    case "txn":
      return txnOutcomes(request.message, fields as unknown as TxnResponse);
    case "put": {
      const { ignoreValue, ignoreLease } = request.message;
      const kept = [ignoreValue ? " keeping the value" : "", ignoreLease ? " keeping the lease" : ""].join("");
      return [`put:${kept} ${fields["prevKv"] === undefined ? "without" : "with"} prev_kv`];
    }
    case "deleteRange": {
      const { deleted, prevKvs } = fields as { deleted: bigint; prevKvs: readonly unknown[] };
      return [`delete: ${countWords(Number(deleted))}${prevKvs.length > 0 ? " with prev_kvs" : ""}`];
    }
    case "compact":
      return [`compact: ${request.message.physical ? "physical" : "at once"}`];
    case "leaseGrant":
    case "leaseRevoke":
    case "leaseTimeToLive":
    case "leaseLeases":
    case "leaseKeepAlive":
      return leaseOutcomes(request, fields);
    case "hashKV":
      return [`hash: ${request.message.revision === revisionOf(fields) ? "newest" : "past"}`];
  }
}

const all = (method: string, ...what: string[]) => what.map((outcome) => `${method}: ${outcome}`);
const pairs = (first: number[], second: number[], words: (a: number, b: number) => string) =>
  first.flatMap((a) => second.map((b) => words(a, b)));

const ranges = [
  ...["nothing", "several", "more", "only a count", "only keys", "from the past", "serializable", "negative limit"],
  ...["at a negative revision", "cut before it is sorted", "some filtered out"],
  ...pairs([0, 1, 2, 3, 4], [0, 1, 2], (target, order) => `several by target ${target} in order ${order}`),
].map((outcome) => `range: ${outcome}`);
const compares = pairs([0, 1, 2, 3, 4], [0, 1, 2, 3], (target, result) => `target ${target}, result ${result}`);

const noKey = "error 3 etcdserver: key is not provided";
const keyNotFound = "error 3 etcdserver: key not found";
const valueProvided = "error 3 etcdserver: value is provided";
const leaseProvided = "error 3 etcdserver: lease is provided";
const leaseNotFound = "error 5 etcdserver: requested lease not found";
const compacted = "error 11 etcdserver: mvcc: required revision has been compacted";
const future = "error 11 etcdserver: mvcc: required revision is a future revision";
const oddSort = "error 3 etcdserver: invalid sort option";
const putErrors = [noKey, keyNotFound, valueProvided, leaseProvided, leaseNotFound];

/** Outcomes that any thousand sequences have, whatever the seed. */
export const expectedOutcomes: readonly string[] = [
  ...ranges,
  ...all("range", noKey, compacted, future, oddSort),
  ...all("put", "with prev_kv", "without prev_kv", "keeping the value with prev_kv", "keeping the lease with prev_kv"),
  ...all("put", "keeping the value keeping the lease without prev_kv"),
  ...all("put", ...putErrors, "error 3 etcdserver: request is too large"),
  ...all("delete", "none", "one", "several", "one with prev_kvs", "several with prev_kvs"),
  ...all("deleteRange", noKey),
  ...all("txn", "success", "failure", "nested success", "nested failure", "put"),
  ...all(
    "txn",
    "delete none",
    "delete one",
    "delete several",
    ...ranges.filter((outcome) => !outcome.includes("negative rev")),
  ),
  ...all("txn", ...putErrors, compacted, future, oddSort),
  ...all("txn", "error 3 etcdserver: duplicate key given in txn request"),
  ...all("txn", "error 3 etcdserver: too many operations in txn request"),
  ...all("compare", ...compares.flatMap((compare) => [`${compare}: true`, `${compare}: false`])),
  ...all("compact", "at once", "physical", compacted, future),
  ...all("hash", "newest", "past"),
  ...all("hashKV", future),
  ...all("masked", ...masks.map(({ name }) => name)),
];

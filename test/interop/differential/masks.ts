// Known differences between our answers and those of Debian's etcd 3.4. Nearly always it is
// because we answer as 3.6 does; the rest stands in docs/differences.md.
import { isDeepStrictEqual } from "node:util";
import { status } from "@grpc/grpc-js";
import {
  type RangeRequest,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  type ResponseHeader,
  type TxnRequest,
  type WatchRequest,
  type WatchResponse,
} from "../../../proto/index.js";
import type { Answer, Request } from "./requests.js";
import type { Told, Watcher } from "./watchers.js";

export interface Known {
  readonly name: string;
  readonly reason: string;
}

export interface Mask extends Known {
  /** Whether this, and nothing else, is how the two answers differ. */
  readonly hides: (request: Request, etcd: Answer, ours: Answer) => boolean;
}

const isError = (answer: Answer, code: number, details: string) =>
  answer.kind === "error" && answer.code === code && answer.details === details;

/** Numbers that have no name. */
const hasOddSort = ({ sortOrder, sortTarget }: RangeRequest) =>
  !Object.values<number>(RangeRequest_SortOrder).includes(sortOrder) ||
  !Object.values<number>(RangeRequest_SortTarget).includes(sortTarget);

/** Whether a sort is the first thing wrong with them; a missing key counts before the sort of the same Range. */
const areRefusedForSort = (ranges: readonly RangeRequest[]) => {
  const wrong = ranges.find((range) => range.key.length === 0 || hasOddSort(range));
  return wrong !== undefined && wrong.key.length > 0;
};

const rangesOf = ({ success, failure }: TxnRequest) =>
  [...success, ...failure].flatMap(({ request }) => (request?.$case === "requestRange" ? [request.value] : []));

/** Whether a transaction reads keys alone, in any branch of it or of one within it. */
const readsKeysOnly = ({ success, failure }: TxnRequest): boolean =>
  [...success, ...failure].some(
    ({ request }) =>
      (request?.$case === "requestRange" && request.value.keysOnly) ||
      (request?.$case === "requestTxn" && readsKeysOnly(request.value)),
  );

/** The same message, but keys whose value is empty have no lease. */
const withoutLeases = (message: unknown): unknown => {
  if (Array.isArray(message)) return message.map(withoutLeases);
  if (typeof message !== "object" || message === null || message instanceof Uint8Array) return message;
  const fields = Object.fromEntries(Object.entries(message).map(([name, value]) => [name, withoutLeases(value)]));
  const { value } = fields;
  return value instanceof Uint8Array && value.length === 0 && "lease" in fields ? { ...fields, lease: 0n } : fields;
};

export const masks: readonly Mask[] = [
  {
    name: "invalid sort option",
    reason: "3.6 refuses sort orders and targets without a name, before it looks at revisions; 3.4 ignores them.",
    hides: (request, _etcd, ours) =>
      isError(ours, status.INVALID_ARGUMENT, "etcdserver: invalid sort option") &&
      ((request.method === "range" && areRefusedForSort([request.message])) ||
        (request.method === "txn" &&
          request.message.compare.every(({ key }) => key.length > 0) &&
          areRefusedForSort(rangesOf(request.message)))),
  },
  {
    name: "hash at the compacted revision",
    reason: "3.6 gives the hash at exactly the compacted revision; 3.4 says that it has been compacted.",
    hides: (request, etcd, ours) =>
      request.method === "hashKV" &&
      isError(etcd, status.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted") &&
      ours.kind === "ok" &&
      ours.message["compactRevision"] === request.message.revision,
  },
  {
    name: "hash_revision",
    reason: "3.6 says at which revision the hash was taken; 3.4 has no such field.",
    hides: (request, etcd, ours) => {
      if (request.method !== "hashKV" || etcd.kind === "error" || ours.kind === "error") return false;
      const { revision } = request.message;
      const takenAt = revision === 0n ? (ours.message["header"] as ResponseHeader).revision : revision;
      return isDeepStrictEqual(ours.message, { ...etcd.message, hashRevision: takenAt });
    },
  },
];

/** Masks of sequences in which keys have leases. */
export const leaseMasks: readonly Mask[] = [
  {
    name: "lease of a key without its value",
    reason: "3.7 leaves the lease out of an answer to keys_only; older ones tell it.",
    hides: (request, etcd, ours) =>
      ((request.method === "range" && request.message.keysOnly) ||
        (request.method === "txn" && readsKeysOnly(request.message))) &&
      etcd.kind === "ok" &&
      ours.kind === "ok" &&
      isDeepStrictEqual(withoutLeases(etcd.message), withoutLeases(ours.message)),
  },
];

type Replies = readonly (WatchResponse | string)[];

interface ReplyMask extends Known {
  /** Whether this, and nothing else, is how the answers to a request on a watch stream differ. */
  readonly hides: (
    asked: { request: WatchRequest; watchers: readonly Watcher[]; now: bigint },
    etcd: Replies,
    ours: Replies,
  ) => boolean;
}

interface ToldMask extends Known {
  /** Whether this, and nothing else, is how what a watcher told differs. */
  readonly hides: (by: { watcher: Watcher | undefined; compacted: bigint }, etcd: Told, ours: Told) => boolean;
}

const isRefusal = (reply: Replies[number] | undefined, reason: string) =>
  typeof reply === "object" &&
  reply.created &&
  reply.canceled &&
  reply.watchId === -1n &&
  reply.cancelReason === reason;

export const watchMasks: { readonly replies: readonly ReplyMask[]; readonly told: readonly ToldMask[] } = {
  replies: [
    {
      name: "negative start revision",
      reason: "3.6 refuses it at once; 3.4 creates the watcher and cancels it as one from before the compaction.",
      hides: ({ request: { requestUnion: request } }, etcd, ours) =>
        request?.$case === "createRequest" &&
        request.value.startRevision < 0n &&
        etcd.length === 1 &&
        ours.length === 1 &&
        isRefusal(ours[0], "etcdserver: mvcc: required revision has been compacted"),
    },
    {
      name: "progress of a stream that is behind",
      reason:
        "3.6 tells of progress only if there are watchers, none of which is behind or begins in the future; 3.4 always does.",
      hides: ({ request: { requestUnion: request }, watchers, now }, etcd, ours) => {
        const alive = watchers.filter(({ fate }) => fate === "lives");
        return (
          request?.$case === "progressRequest" &&
          (alive.length === 0 || alive.some(({ create }) => create.startRevision > now)) &&
          etcd.length === 2 &&
          isDeepStrictEqual(etcd.slice(1), ours)
        );
      },
    },
  ],
  told: [
    {
      name: "deletion at the compacted revision",
      reason:
        "3.6 keeps what was deleted at exactly the compacted revision for watchers that start there; 3.4 does not.",
      hides: ({ watcher, compacted }, etcd, ours) => {
        const rest = ours.events.filter(({ type, kv }) => type === 0 || kv?.modRevision !== compacted);
        return watcher?.create.startRevision === compacted && isDeepStrictEqual({ ...ours, events: rest }, etcd);
      },
    },
  ],
};

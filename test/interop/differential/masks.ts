// Known differences between the answers of minietcd and etcd 3.7, each with a row in docs/differences.md.
import { isDeepStrictEqual } from "node:util";
import type { WatchRequest, WatchResponse } from "../../../proto/index.js";
import type { Answer, Request } from "./requests.js";
import type { Revisions } from "./revisions.js";
import type { Received, Watcher } from "./watchers.js";

export interface Known {
  readonly name: string;
  /** The first cell of the row in docs/differences.md. */
  readonly row: string;
}

export interface Mask extends Known {
  /**
   * Tells whether the answers differ in this way, and in no other.
   * @param at the revisions when the request was sent
   */
  readonly hides: (request: Request, etcd: Answer, ours: Answer, at: Revisions) => boolean;
}

const headerOf = (answer: Answer) => (answer.kind === "ok" ? answer.message["header"] : undefined);

export const masks: readonly Mask[] = [
  {
    name: "hash that was stored at a compaction",
    row: "HashKV of a revision up to a compaction, 0 included",
    hides: (request, etcd, ours, { compacted }) =>
      request.method === "hashKV" &&
      request.message.revision <= compacted &&
      etcd.kind === "ok" &&
      (ours.kind === "error" || isDeepStrictEqual(headerOf(etcd), headerOf(ours))),
  },
];

type Replies = readonly (WatchResponse | string)[];

interface ReplyMask extends Known {
  /** Tells whether the answers to a request on a watch stream differ in this way, and in no other. */
  readonly hides: (
    asked: { request: WatchRequest; watchers: readonly Watcher[]; now: bigint },
    etcd: Replies,
    ours: Replies,
  ) => boolean;
}

interface ReceivedMask extends Known {
  /** Tells whether the events of a watcher differ in this way, and in no other. */
  readonly hides: (by: { watcher: Watcher | undefined; compacted: bigint }, etcd: Received, ours: Received) => boolean;
}

const isProgress = (reply: Replies[number] | undefined) =>
  typeof reply === "object" && reply.watchId === -1n && !reply.created && !reply.canceled && reply.events.length === 0;

export const watchMasks: { readonly replies: readonly ReplyMask[]; readonly received: readonly ReceivedMask[] } = {
  replies: [
    {
      name: "progress beside a watcher that was cut off",
      row: "progress on request, after a watcher was canceled by a compaction",
      hides: ({ request: { requestUnion: request }, watchers }, etcd, ours) =>
        request?.$case === "progressRequest" &&
        watchers.some(({ fate }) => fate === "was cut off") &&
        isDeepStrictEqual(etcd, ours.slice(1)) &&
        isProgress(ours[0]),
    },
  ],
  received: [],
};

// Sessions: operations with many requests. A caller opens a session, sends requests, and closes it.

import type { WatchCreateRequest } from "../../proto/index.js";
import type { Answer, LeaseId, Revision, Sliced, WatchBatch, ShouldYield } from "../../store/index.js";
import type { ResultHandler, ServerError } from "../base/index.js";

/** Called when a session ends before its caller has closed it. The caller closes the session then. */
export interface SessionListener {
  onError(error: unknown): void;
}

/** The lease keep-alives of one caller. A keep-alive that waits for the revocation of an expired lease delays no other. */
export interface KeepAliveSession {
  /**
   * Renews a lease.
   *
   * @param handler receives the remaining TTL in seconds, 0 if there is no such lease; and the store's revision
   * @throws ServerError if the renewal is refused at once
   */
  readonly renew: (id: LeaseId, handler: ResultHandler<Answer<bigint>>) => void;
  /** Closes the session; results of earlier requests may still arrive. */
  close(): void;
}

/** The watches of one caller, each with an id, and with flow control for all of them together. */
export interface WatchSession {
  /**
   * Creates a watch; the answer is `created` or `refused`.
   *
   * @throws ServerError if the caller has no room for answers and sends too many requests
   */
  create(request: WatchCreateRequest): void;
  /** Cancels a watch; an unknown id gets no answer. Throws as `create` does. */
  cancel(watchId: bigint): void;
  /** Requests a `progress` answer for the whole session; there is none while any watch is behind. Throws as `create` does. */
  requestProgress(): void;
  /** Continues after the listener had no room; the events since then are read from history. */
  resume(): void;
  /** Ends all watches; no answer follows. */
  close(): void;
}

/** Receives the chunks of a streamed read. */
export interface ChunkReceiver extends SessionListener {
  /** @returns whether there is room for more; false: no chunk follows before `ChunkSession.resume` */
  onChunk(chunk: RangeChunk): boolean;
}

/** A part of a streamed read, in key order. */
export interface RangeChunk {
  /** Encoded KeyValues. */
  readonly kvs: readonly Uint8Array[];
  /** The summary of the whole read, in the last chunk; undefined: more chunks follow. */
  readonly end: ChunkEnd | undefined;
}

/** The summary of a streamed read. */
export interface ChunkEnd {
  /** Whether keys are left behind the limit. */
  readonly more: boolean;
  /** Number of keys in the interval, independent of the limit. */
  readonly count: bigint;
  /** The store's revision when the read began. */
  readonly revision: Revision;
}

/** A streamed read. */
export interface ChunkSession {
  /** Continues after the listener had no room. */
  resume(): void;
  /** Ends the read; no chunk follows. */
  close(): void;
}

/** An answer of a watch session, other than events. `revision` is the store's current one. */
export type WatchAnswer =
  | { readonly kind: "created"; readonly watchId: bigint; readonly revision: Revision }
  /** The watch was not created. `reason` is etcd's text; `error` is set if the caller has no right to the watch. */
  | {
      readonly kind: "refused";
      readonly reason: string;
      readonly error?: ServerError;
      readonly revision: Revision;
    }
  /** The watch was canceled by the caller; or, with a reason, because its user has lost the right. */
  | {
      readonly kind: "canceled";
      readonly watchId: bigint;
      readonly reason?: string;
      readonly error?: ServerError;
      readonly revision: Revision;
    }
  /**
   * A compaction has removed history that the watch needs. The watch has ended; its id stays in use until the caller cancels
   * it.
   */
  | { readonly kind: "compacted"; readonly watchId: bigint; readonly compactRevision: Revision }
  /** All events up to `revision` were sent: of this watch, or, without an id, of all watches of the session. */
  | { readonly kind: "progress"; readonly watchId: bigint | undefined; readonly revision: Revision };

/** A watch as the listener of its session sees it. */
export interface WatchView {
  /** The label that the listener returned from `createLabel`. */
  readonly label: Uint8Array;
  /** Whether large batches are sent in fragments. */
  readonly fragment: boolean;
}

/** Receives the events of a session's watches. */
export interface EventReceiver {
  /**
   * Receives events, complete revisions only, for `watches[from]` to `watches[to - 1]`. Called during the apply of a write: the
   * receiver must not call the application. An error that it throws ends the session.
   *
   * @returns the number of watches that there was room for; if fewer than all, `WatchSession.resume` follows
   */
  onEvents(watches: readonly WatchView[], from: number, to: number, batch: WatchBatch): number;
  /**
   * Prepares a batch of many events in slices before it is received. The batch will have the same list.
   *
   * @param shouldYield called with the number of events since the last call; true: other work has to run
   */
  prepare?(events: readonly Uint8Array[], shouldYield: ShouldYield): Sliced<void>;
}

/** Receives the answers and events of a watch session. */
export interface WatchListener extends SessionListener, EventReceiver {
  /** @returns whether there is room for more; false: no answer is sent before `WatchSession.resume` */
  onAnswer(answer: WatchAnswer): boolean;
  /** Returns the label of a new watch; called once for each. */
  createLabel(watchId: bigint): Uint8Array;
}

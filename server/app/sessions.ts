// Operations that go on: a caller opens a session, asks many things, and closes it.

import type { WatchCreateRequest } from "../../proto/index.js";
import type { Answer, LeaseId, Revision, Sliced, WatchBatch } from "../../store/index.js";
import type { ResultHandler, ServerError } from "../base/index.js";

/** Told that a session is over before its caller has closed it. The caller closes it then. */
export interface SessionListener {
  onError(error: unknown): void;
}

/** Keep-alives of one caller. One that waits for an expired lease to be revoked holds up no other. */
export interface KeepAliveSession {
  /**
   * Keeps a lease alive.
   *
   * @param handler takes its TTL from now on, 0 if there is no such lease; and the revision of now
   * @throws ServerError if it is refused at once
   */
  renew(id: LeaseId, handler: ResultHandler<Answer<bigint>>): void;
  /** Results that are still to come may come all the same. */
  close(): void;
}

/** Watches of one caller, each with an id, and with flow control for all of them together. */
export interface WatchSession {
  /**
   * Creates a watch; the answer is `created` or `refused`.
   *
   * @throws ServerError if the caller asks for much and has no room for answers
   */
  create(request: WatchCreateRequest): void;
  /** Ends a watch; without an answer if there is none of that id. Throws as `create` does. */
  cancel(watchId: bigint): void;
  /** Has `progress` answered for the whole session, unless events up to now are still to come. Throws as `create` does. */
  requestProgress(): void;
  /** The listener has room again; events that it had no room for are read from history. */
  resume(): void;
  /** Ends all watches; nothing is answered any more. */
  close(): void;
}

/** Takes the chunks of a streamed read. */
export interface ChunkReceiver extends SessionListener {
  /** @returns whether there is room for more; false: nothing follows before `ChunkSession.resume` */
  onChunk(chunk: RangeChunk): boolean;
}

/** A part of a streamed read, in key order. */
export interface RangeChunk {
  /** Encoded KeyValues. */
  readonly kvs: readonly Uint8Array[];
  /** Facts about the whole read, with its last part; undefined: more parts follow. */
  readonly end: ChunkEnd | undefined;
}

export interface ChunkEnd {
  /** Whether the limit left any keys out. */
  readonly more: boolean;
  /** Number of keys in the interval, whatever the limit. */
  readonly count: bigint;
  /** The store's when the read began. */
  readonly revision: Revision;
}

/** A streamed read. */
export interface ChunkSession {
  /** The listener has room again. */
  resume(): void;
  /** Ends the read; nothing is sent any more. */
  close(): void;
}

/** An answer of a watch session, other than events. `revision` is the store's of now. */
export type WatchAnswer =
  | { readonly kind: "created"; readonly watchId: bigint; readonly revision: Revision }
  /** There will be no such watch. `reason` is etcd's text; `error` the same, if the caller may not have it. */
  | {
      readonly kind: "refused";
      readonly reason: string;
      readonly error?: ServerError;
      readonly revision: Revision;
    }
  /** The caller has ended the watch; or, with a reason, may not have it any more. */
  | {
      readonly kind: "canceled";
      readonly watchId: bigint;
      readonly reason?: string;
      readonly error?: ServerError;
      readonly revision: Revision;
    }
  /** A compaction has removed history that the watch needs. It has ended; its id is taken until it is canceled. */
  | { readonly kind: "compacted"; readonly watchId: bigint; readonly compactRevision: Revision }
  /** All events up to `revision` were sent: of this watch, or, without an id, of all watches of the session. */
  | { readonly kind: "progress"; readonly watchId: bigint | undefined; readonly revision: Revision };

/** A watch as its session's listener sees it. */
export interface ToldWatch {
  /** The name that the listener has given it. */
  readonly label: Uint8Array;
  /** Large batches are sent in fragments. */
  readonly fragment: boolean;
}

/** Takes the events of a session's watches. */
export interface EventReceiver {
  /**
   * Takes events, those of a revision together, for `watches[from]` up to, not including, `watches[to]`. Called while a write is
   * being applied: it must not ask the application for anything. An error that it throws ends the session.
   *
   * @returns how many watches there was room for; if not for all, `WatchSession.resume` follows
   */
  onEvents(watches: readonly ToldWatch[], from: number, to: number, batch: WatchBatch): number;
  /**
   * Does work for a batch of many events before it is received, in slices. The list is the one that the batch will have.
   *
   * @param shouldYield told how many events were looked at since it was asked last; true: others are to run
   */
  prepare?(events: readonly Uint8Array[], shouldYield: (events: number) => boolean): Sliced<void>;
}

export interface WatchListener extends SessionListener, EventReceiver {
  /** @returns whether there is room for more; false: nothing is sent before `WatchSession.resume` */
  onAnswer(answer: WatchAnswer): boolean;
  /** A watch begins. @returns its label */
  onWatch(watchId: bigint): Uint8Array;
}

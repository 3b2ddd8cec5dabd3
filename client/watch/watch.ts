// The interface of a watch for programs: events, batches and responses.
import { WatchCreateRequest_FilterType } from "../../proto/index.js";
import { EtcdError, LeavableIterator, onAbort, type RequestOptions } from "../transport/index.js";
import { type Bytes, intervalOf, type KeyInterval, type KeySpace, type Kv } from "../kv/index.js";
import { ResyncQueue } from "./resync-queue.js";
import {
  WatchQueue,
  type Arrival,
  type ArrivalSource,
  type WatchEvent,
  type WatchQueueOptions,
  type WatchResponse,
} from "./watch-queue.js";
import type { WatchStream } from "./watch-stream.js";

/** Options of a watch. @see etcd v3 API, WatchCreateRequest */
export interface WatchOptions extends KeyInterval {
  /** First revision to watch; may be past or future. Absent or 0: changes from now on. */
  readonly startRevision?: number | undefined;
  /** Include the previous value of each key, unless it has been compacted. */
  readonly prevKv?: boolean | undefined;
  /** Selects one type of events. Absent: both types. */
  readonly only?: "put" | "delete" | undefined;
  /** The delivery of the changes. */
  readonly delivery?: WatchDelivery | undefined;
  /** Ends the watch: a loop that waits for a change gets an EtcdError "cancelled". */
  readonly signal?: AbortSignal | undefined;
}

/** The delivery of a watch's changes: fragments, buffer size, progress notices, and the reaction to a compaction. */
export interface WatchDelivery {
  /** Request periodic progress notices, which advance `revision` without events; etcd sends one every 10 minutes. */
  readonly progressNotify?: boolean | undefined;
  /** Let the server split responses that are too large for one message. Default: true. */
  readonly fragment?: boolean | undefined;
  /**
   * Maximum size of the events that the program has not read yet, in bytes. Beyond it the watch is canceled at the server, and
   * the missing events are requested when the program has read the buffered ones: the memory is bounded, but a compaction may
   * remove events that a slow program has not read. Default: 4 MiB.
   */
  readonly bufferBytes?: number | undefined;
  /**
   * Survive compactions: if changes that were not reported yet are compacted, the keys are listed again, and the differences from
   * the reported state are events marked `resync`; then the watch continues. Of several changes of a key only the last is
   * reported, a deletion with the revision of the listing, and these events have no `prevKv`. The watch lists its keys at the
   * beginning, and keeps each key with its revision, in about 100 bytes plus the key. A `startRevision` that is compacted at the
   * beginning is an error, because there is nothing to compare with, except 1: then the first events are puts of all existing
   * keys. With more than `maxKeys` keys, by default 1 000 000, the watch fails with an EtcdError "resource-exhausted".
   */
  readonly resync?: boolean | { readonly maxKeys: number } | undefined;
}

const defaultBufferBytes = 4 * 1024 * 1024;
const defaultResyncKeys = 1_000_000;

/** All changes of one revision; without events: a progress notice of this revision. */
export interface WatchBatch {
  /** The revision of the changes; after a resync, that of the listing. */
  readonly revision: number;
  /** The changes, in order. */
  readonly events: readonly WatchEvent[];
  /** True if the events are the differences found after a compaction, from several revisions. */
  readonly resync?: true;
}

/** The services that a watch uses. */
export interface WatchServices {
  readonly stream: WatchStream;
  readonly kv: Kv;
  readonly keys: KeySpace;
  readonly requestTimeoutMs: number;
}

/**
 * The changes of one key or an interval, in order, each once, also when the client switches to another server: `for await (const
 * event of client.watch("/config/", { prefix: true }))`. Leaving the loop ends the watch. `return()` of an iterator also ends it,
 * at any time: a waiting `next()` then resolves as done.
 *
 * After a lost connection the watch continues at its position; it waits while no server can be reached. When all received events
 * are taken, it fails with a CompactedError if the next changes have been compacted (unless `resync` is set), and with a
 * WatchEndedError or another EtcdError if the server refuses it.
 *
 * @see etcd v3 API, Watch
 */
export class Watch implements AsyncIterable<WatchEvent>, AsyncDisposable {
  private readonly queue: ArrivalSource;
  private readonly stopListening: () => void;
  private readThrough: number;
  private isGivenUp = false;

  /** @throws RangeError or TypeError if an option is malformed */
  constructor(
    private readonly services: WatchServices,
    key: Bytes,
    options: WatchOptions,
  ) {
    const { signal, startRevision = 0 } = options;
    this.queue = queueOf(services, key, options);
    this.readThrough = Math.max(startRevision - 1, 0);
    const abort = () =>
      this.giveUp(new EtcdError("cancelled", "The watch was aborted", "failed", undefined, { cause: signal?.reason }));
    this.stopListening = onAbort(signal, abort);
  }

  /** The last revision of which the program has read all events. To continue in another process, watch from the next one. */
  get revision(): number {
    return this.readThrough;
  }

  /**
   * Waits until a server has created the watch. If no server can be reached, `ready` fails, but the watch keeps waiting.
   *
   * @returns the first revision that is watched
   * @throws ConnectError if no server can be reached within the dial timeout, EtcdError "deadline-exceeded" if no server creates
   * the watch in time
   */
  async whenReady({ timeoutMs = this.services.requestTimeoutMs, signal }: RequestOptions = {}): Promise<number> {
    const fail = (code: "cancelled" | "deadline-exceeded", reason: string) =>
      new EtcdError(code, `The watch is not created yet: ${reason}`, "failed", undefined, { cause: signal?.reason });
    const { clock } = this.services.stream;
    const deadline = clock.now() + timeoutMs;
    const known = this.queue.unreachable; // an earlier failure, which may be over
    for (;;) {
      if (this.queue.firstRevision !== undefined) return this.queue.firstRevision;
      if (this.queue.failure !== undefined) throw this.queue.failure;
      if (this.queue.isOver) throw fail("cancelled", "the watch was closed");
      const { unreachable } = this.queue;
      if (unreachable !== undefined && unreachable !== known) throw unreachable;
      if (signal?.aborted) throw fail("cancelled", "waiting was given up");
      if (clock.now() >= deadline) throw fail("deadline-exceeded", `${timeoutMs} ms are over`);
      await this.queue.changed.wait(deadline - clock.now(), signal);
    }
  }

  /** Yields the changes one by one. */
  [Symbol.asyncIterator](): AsyncGenerator<WatchEvent, void, void> {
    return this.iterate(function* ({ events, through, resync }) {
      for (const [position, event] of events.entries()) {
        const { modRevision } = event.kv;
        // Differences are only complete with the last event: their order need not be the order of the changes.
        const isLast = resync === undefined && events[position + 1]?.kv.modRevision !== modRevision;
        yield { value: event, revision: isLast ? modRevision : undefined };
      }
      yield { revision: through };
    });
  }

  /** Yields the changes by revision and, with `progressNotify`, empty batches for progress notices. */
  batches(): AsyncGenerator<WatchBatch, void, void> {
    return this.iterate((arrival) => batchesOf(arrival).map((value) => ({ value, revision: value.revision })));
  }

  /**
   * Yields whole responses with the server's header. Responses without events are progress notices: from `progressNotify`, or
   * after `client.requestWatchProgress()`.
   */
  responses(): AsyncGenerator<WatchResponse, void, void> {
    return this.iterate(({ through, ...response }) => [{ value: response, revision: through }]);
  }

  /** Ends the watch, and every loop over it. May be called twice. */
  close(): Promise<void> {
    this.stopListening();
    this.giveUp();
    return Promise.resolve();
  }

  /** Ends the watch. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Ends the watch now: no buffered change is yielded any more. */
  private giveUp(failure?: EtcdError): void {
    this.isGivenUp = true;
    this.queue.clear();
    this.queue.endWatch(failure);
  }

  /** @param split yields the pieces of an arrival that the iterator returns */
  private iterate<T>(split: (arrival: Arrival) => Iterable<Piece<T>, void>): AsyncGenerator<T, void, void> {
    let pieces: Iterator<Piece<T>, void> = [][Symbol.iterator]();
    const take = async (): Promise<T | undefined> => {
      for (;;) {
        const next = pieces.next();
        if (this.isGivenUp || next.done) {
          const arrival = await this.queue.takeArrival();
          if (arrival === undefined) return undefined;
          pieces = split(arrival)[Symbol.iterator]();
        } else {
          const { value, revision } = next.value;
          this.readThrough = revision ?? this.readThrough;
          if (value !== undefined) return value;
        }
      }
    };
    return new LeavableIterator(take, () => void this.close());
  }
}

/** A value for the program, or only the progress of the revision. */
interface Piece<T> {
  readonly value?: T;
  /** The revision that is complete with this value; undefined: the revision is not complete yet. */
  readonly revision: number | undefined;
}

function batchesOf({ events, through, resync }: Arrival): readonly WatchBatch[] {
  if (resync !== undefined) return through === undefined ? [] : [{ revision: through, events, resync }];
  if (events.length === 0) return through === undefined ? [] : [{ revision: through, events }];
  const byRevision = new Map<number, WatchEvent[]>();
  for (const event of events) {
    const sameRevision = byRevision.get(event.kv.modRevision);
    if (sameRevision === undefined) byRevision.set(event.kv.modRevision, [event]);
    else sameRevision.push(event);
  }
  return [...byRevision].map(([revision, batch]) => ({ revision, events: batch }));
}

function queueOf({ stream, kv, keys }: WatchServices, key: Bytes, options: WatchOptions): ArrivalSource {
  const { only, delivery: { resync = false } = {} } = options;
  const maxKeys = typeof resync === "object" ? resync.maxKeys : defaultResyncKeys;
  if (!(maxKeys > 0)) throw new RangeError(`Cannot watch: resync.maxKeys must be above 0, not ${maxKeys}`);
  if (!resync) return new WatchQueue(stream, queueOptions(keys, key, options));
  // The client filters the events: the known keys follow from both puts and deletions.
  const both = queueOptions(keys, key, { ...options, only: undefined });
  const interval = intervalOf(key, options);
  return new ResyncQueue(stream, { kv, clock: stream.clock }, { ...both, interval, maxKeys, only });
}

function queueOptions(keys: KeySpace, key: Bytes, options: WatchOptions): WatchQueueOptions {
  const { startRevision = 0, only, delivery = {} } = options;
  const { progressNotify = false, fragment = true, bufferBytes = defaultBufferBytes } = delivery;
  if (!Number.isSafeInteger(startRevision)) throw new RangeError(`Cannot watch from revision ${startRevision}`);
  if (!(bufferBytes > 0)) throw new RangeError(`Cannot watch: bufferBytes must be above 0, not ${bufferBytes}`);
  const { NOPUT, NODELETE } = WatchCreateRequest_FilterType;
  const request = {
    ...keys.interval(intervalOf(key, options)),
    progressNotify,
    filters: only === undefined ? [] : [only === "put" ? NODELETE : NOPUT],
    prevKv: options.prevKv ?? false,
    watchId: 0n,
    fragment,
  };
  return { request, startRevision, bufferBytes, keys };
}

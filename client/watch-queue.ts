// The changes of one watch between the server that tells them and the program that takes them.
import { Event_EventType, type Event, type WatchCreateRequest, type WatchResponse } from "../proto/index.js";
import { CompactedError, errorFromCancelReason } from "./errors.js";
import { headerOf } from "./header.js";
import { keyValueOf, type KeyValue } from "./kv-ops.js";
import { Wakeup } from "./wakeup.js";
import type { Place, Watcher, WatchStream } from "./watch-stream.js";

/** One change of one key. */
export interface WatchEvent {
  readonly type: "put" | "delete";
  /** As it is now. Of a deletion there are only `key` and `modRevision`. */
  readonly kv: KeyValue;
  /** As it was before. Absent if not asked for, if the key is new, or if that has been compacted. */
  readonly prevKv: KeyValue | undefined;
}

/** All changes of one revision. None: nothing has happened up to this revision. */
export interface WatchBatch {
  readonly revision: number;
  readonly events: readonly WatchEvent[];
}

/** What an event takes beside its keys and values, roughly. */
const eventOverheadBytes = 300;

export interface WatchQueueOptions {
  readonly request: Omit<WatchCreateRequest, "startRevision">;
  readonly startRevision: number;
  readonly bufferBytes: number;
}

export class WatchQueue implements Watcher {
  /** First revision the server tells of; absent until one has said so. */
  firstRevision: number | undefined;
  /** Why there will be no more, once what waits has been taken. */
  failure: Error | undefined;
  isOver = false;
  /** Wakes when any of the above changes, or something can be taken. */
  readonly changed = new Wakeup();
  private readonly waiting: WatchBatch[] = [];
  private waitingBytes = 0;
  /** First revision that has not arrived. 0: the one after what the server has when it first answers. */
  private next: number;
  /** Of revision `next`, whose other events are still to come. */
  private unfinished: Event[] = [];
  /** Absent while the server has been told to stop. */
  private place: Place | undefined;

  constructor(
    private readonly stream: WatchStream,
    private readonly options: WatchQueueOptions,
  ) {
    this.next = options.startRevision;
    this.place = stream.add(this);
  }

  /** @returns the next batch, when there is one; undefined if the watch has been closed */
  async take(): Promise<WatchBatch | undefined> {
    while (this.waiting.length === 0) {
      if (this.failure !== undefined) throw this.failure;
      if (this.isOver) return undefined;
      this.place ??= this.stream.add(this); // told to stop, and all is taken
      await this.changed.wait(Infinity);
    }
    const batch = this.waiting.shift();
    if (batch !== undefined) this.waitingBytes -= bytesOf(batch);
    return batch;
  }

  /** Ends the watch. @param failure why; absent: it was closed */
  end(failure?: Error): void {
    if (this.isOver) return;
    this.isOver = true;
    this.failure = failure;
    this.leave();
    this.changed.wake();
  }

  /** Gives up what has not been taken. */
  clear(): void {
    this.waiting.length = 0;
  }

  createRequest(): WatchCreateRequest {
    this.unfinished = []; // a new server begins with the revision anew
    return { ...this.options.request, startRevision: BigInt(this.next) };
  }

  onResponse(response: WatchResponse): void {
    const { revision } = headerOf(response.header);
    if (response.canceled) this.end(this.reasonOf(response));
    else if (response.created) this.onCreated(revision);
    else if (response.events.length > 0) this.onEvents(response);
    else if (revision >= this.next) this.onProgress(revision);
    if (this.waitingBytes > this.options.bufferBytes) this.leave();
    this.changed.wake();
  }

  onFailure(error: Error): void {
    this.end(error);
  }

  private onCreated(revision: number): void {
    // Should this server be lost before anything happens, the next is asked for what happened since.
    if (this.next === 0) this.next = revision + 1;
    this.firstRevision ??= this.next;
  }

  private onEvents({ events, fragment }: WatchResponse): void {
    const arrived = [...this.unfinished, ...events];
    const lastRevision = arrived.at(-1)?.kv?.modRevision;
    // In a part that is not the last, the last revision may go on in the next part.
    const isFinished = ({ kv }: Event) => !fragment || kv?.modRevision !== lastRevision;
    this.unfinished = arrived.filter((event) => !isFinished(event));
    this.arrived(batchesOf(arrived.filter(isFinished)));
  }

  private onProgress(revision: number): void {
    // One notice after another says no more than the last one.
    if (this.waiting.at(-1)?.events.length === 0) this.waiting.pop();
    this.arrived([{ revision, events: [] }]);
  }

  private arrived(batches: readonly WatchBatch[]): void {
    for (const batch of batches) {
      this.next = batch.revision + 1;
      this.waiting.push(batch);
      this.waitingBytes += bytesOf(batch);
    }
  }

  private reasonOf(response: WatchResponse): Error {
    const { compactRevision } = response;
    return compactRevision > 0n
      ? new CompactedError(this.next, Number(compactRevision))
      : errorFromCancelReason(response.cancelReason);
  }

  private leave(): void {
    if (this.place !== undefined) this.stream.remove(this.place);
    this.place = undefined;
  }
}

function batchesOf(events: readonly Event[]): WatchBatch[] {
  const byRevision = new Map<number, WatchEvent[]>();
  for (const event of events.map(eventOf)) {
    const sameRevision = byRevision.get(event.kv.modRevision);
    if (sameRevision === undefined) byRevision.set(event.kv.modRevision, [event]);
    else sameRevision.push(event);
  }
  return [...byRevision].map(([revision, events]) => ({ revision, events }));
}

function eventOf({ type, kv, prevKv }: Event): WatchEvent {
  if (kv === undefined) throw new TypeError("Cannot read a change: it has no key");
  return {
    type: type === Event_EventType.DELETE ? "delete" : "put",
    kv: keyValueOf(kv),
    prevKv: prevKv && keyValueOf(prevKv),
  };
}

const bytesOf = ({ events }: WatchBatch): number =>
  events.reduce(
    (sum, { kv, prevKv }) =>
      sum +
      eventOverheadBytes +
      kv.key.length +
      kv.value.length +
      (prevKv?.key.length ?? 0) +
      (prevKv?.value.length ?? 0),
    0,
  );

// The queue of one watch: a server's responses that the program has not taken yet.
import {
  Event_EventType,
  counterFromResponse,
  type Event,
  type WatchCreateRequest,
  type WatchResponse as WireResponse,
} from "../../proto/index.js";
import {
  CompactedError,
  type ConnectError,
  errorFromWatchEnd,
  type Header,
  headerOf,
  Wakeup,
} from "../transport/index.js";
import { type KeySpace, type KeyValue, keyValueOf } from "../kv/index.js";
import { allWatches, type StreamWatch, type Watcher, type WatchStream } from "./watch-stream.js";

/** A change of a key. @see etcd v3 API, mvccpb.Event */
export interface WatchEvent {
  /** Whether the key was written or deleted. */
  readonly type: "put" | "delete";
  /** The key after the change. A deletion has only `key` and `modRevision`. */
  readonly kv: KeyValue;
  /** The key before the change. Absent if not requested, if the key is new, or if its previous revision has been compacted. */
  readonly prevKv: KeyValue | undefined;
  /** True if the change was found by a resync after a compaction (`WatchDelivery.resync`): earlier changes of the key may be missing. */
  readonly resync?: true;
}

/** A server's response to a watch. Fragments of a revision are joined. @see etcd v3 API, WatchResponse */
export interface WatchResponse {
  /** The header. `revision` is the server's revision at that time, which may be newer than the events if the watch is behind. */
  readonly header: Header;
  /** All events of one or more revisions. Empty: a progress notice. */
  readonly events: readonly WatchEvent[];
  /** True if the events are the differences found by a resync after a compaction (`WatchDelivery.resync`). Empty: nothing has changed. */
  readonly resync?: true;
}

/** A response in the queue. */
export interface Arrival extends WatchResponse {
  /** All events up to this revision are in this and earlier responses; absent: unknown. */
  readonly through: number | undefined;
}

/** The source of a watch's responses. */
export interface ArrivalSource {
  /** The first revision that is watched; undefined until a server has created the watch. */
  readonly firstRevision: number | undefined;
  /** The error that ends the watch when all queued responses have been taken. */
  readonly failure: Error | undefined;
  readonly isOver: boolean;
  /** The error of the last attempt, if no server could be connected to. */
  readonly unreachable: ConnectError | undefined;
  /** Wakes when one of the fields above changes, or a response can be taken. */
  readonly changed: Wakeup;
  /** Waits for the next response; undefined if the watch has been closed. */
  takeArrival(): Promise<Arrival | undefined>;
  /** Ends the watch. @param failure the reason; absent: the watch was closed */
  endWatch(failure?: Error): void;
  /** Drops the responses that have not been taken. */
  clear(): void;
}

/** Approximate memory of an event or a response, in bytes, without its keys and values. */
const overheadBytes = 300;

/** Options of a watch, as fields of the request. */
export interface WatchQueueOptions {
  readonly request: Omit<WatchCreateRequest, "startRevision">;
  readonly startRevision: number;
  readonly bufferBytes: number;
  /** The key space of the watch: its prefix is removed from the keys of events. */
  readonly keys: KeySpace;
}

/** Collects the responses to one watch, requests missed events again, and bounds the buffered events. */
export class WatchQueue implements Watcher, ArrivalSource {
  firstRevision: number | undefined;
  failure: Error | undefined;
  isOver = false;
  unreachable: ConnectError | undefined;
  private readonly waiting: Arrival[] = [];
  private waitingBytes = 0;
  /** The next revision to receive. 0: the revision after the server's revision at its first answer. */
  private next: number;
  /** Events of revision `next` from fragments of which the last has not arrived. */
  private unfinished: Event[] = [];
  /** The watch on the stream; undefined while it is canceled because the buffer is full. */
  private place: StreamWatch | undefined;

  constructor(
    private readonly stream: WatchStream,
    private readonly options: WatchQueueOptions,
    readonly changed: Wakeup = new Wakeup(stream.clock),
  ) {
    this.next = options.startRevision;
    this.place = stream.add(this);
  }

  async takeArrival(): Promise<Arrival | undefined> {
    while (this.waiting.length === 0) {
      if (this.failure !== undefined) throw this.failure;
      if (this.isOver) return undefined;
      this.place ??= this.stream.add(this); // the watch was canceled, and all responses are taken
      await this.changed.wait(Infinity);
    }
    const arrival = this.waiting.shift();
    if (arrival !== undefined) this.waitingBytes -= bytesOf(arrival);
    return arrival;
  }

  endWatch(failure?: Error): void {
    if (this.isOver) return;
    this.isOver = true;
    this.failure = failure;
    this.leave();
    this.changed.wake();
  }

  clear(): void {
    this.waiting.length = 0;
  }

  createRequest(): WatchCreateRequest {
    this.unfinished = []; // a new server sends the revision from its beginning
    return { ...this.options.request, startRevision: BigInt(this.next) };
  }

  onResponse(response: WireResponse): void {
    const header = headerOf(response.header);
    if (response.canceled) this.endWatch(this.reasonOf(response, header));
    else if (response.created) this.onCreated(header);
    else if (response.events.length > 0) this.onEvents(response, header);
    else this.onProgress(response, header);
    if (this.waitingBytes > this.options.bufferBytes) this.leave();
    this.changed.wake();
  }

  onUnreachable(error: ConnectError): void {
    this.unreachable = error;
    this.changed.wake();
  }

  onFailure(error: Error): void {
    this.endWatch(error);
  }

  private onCreated({ revision }: Header): void {
    // If this server is lost before the first event, the next server is asked for the events since then.
    if (this.next === 0) this.next = revision + 1;
    this.firstRevision ??= this.next;
  }

  private onEvents({ events, fragment }: WireResponse, header: Header): void {
    const all = this.unfinished.length === 0 ? events : [...this.unfinished, ...events];
    // The last revision of a fragment may continue in the next fragment, if there is one.
    const end = fragment ? lastRevisionFrom(all) : all.length;
    this.unfinished = all.slice(end);
    const finished = all.slice(0, end).map((event) => eventOf(event, this.options.keys));
    const last = finished.at(-1);
    if (last !== undefined) this.addArrival({ header, events: finished, through: last.kv.modRevision });
  }

  private onProgress({ watchId }: WireResponse, header: Header): void {
    // etcd before 3.4.25 and 3.5.8 answers a request for progress even if earlier events are still to be sent.
    const isPromise = watchId !== allWatches && header.revision >= this.next;
    this.addArrival({ header, events: [], through: isPromise ? header.revision : undefined });
  }

  private addArrival(arrival: Arrival): void {
    if (arrival.through !== undefined) this.next = arrival.through + 1;
    this.waiting.push(arrival);
    this.waitingBytes += bytesOf(arrival);
  }

  private reasonOf({ compactRevision, cancelReason }: WireResponse, header: Header): Error {
    const end = { header, cancelReason };
    if (compactRevision === 0n) return errorFromWatchEnd(end);
    return new CompactedError(this.next, counterFromResponse(compactRevision), end);
  }

  private leave(): void {
    if (this.place !== undefined) this.stream.remove(this.place);
    this.place = undefined;
  }
}

/** Returns the index of the first event of the last revision. */
function lastRevisionFrom(events: readonly Event[]): number {
  const last = events.at(-1)?.kv?.modRevision;
  return events.findLastIndex(({ kv }) => kv?.modRevision !== last) + 1;
}

function eventOf({ type, kv, prevKv }: Event, keys: KeySpace): WatchEvent {
  if (kv === undefined) throw new TypeError("Cannot read a change: it has no key");
  return {
    type: type === Event_EventType.DELETE ? "delete" : "put",
    kv: keyValueOf(kv, keys),
    prevKv: prevKv && keyValueOf(prevKv, keys),
  };
}

const bytesOf = ({ events }: WatchResponse): number =>
  events.reduce(
    (sum, { kv, prevKv }) =>
      sum + overheadBytes + kv.key.length + kv.value.length + (prevKv?.key.length ?? 0) + (prevKv?.value.length ?? 0),
    overheadBytes,
  );

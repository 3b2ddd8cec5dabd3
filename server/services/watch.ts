import {
  counterFromRequest,
  WatchCreateRequest_FilterType as Filter,
  WatchRequest,
  type RawWatchResponse,
  type WatchCreateRequest,
} from "../../proto/index.js";
import type { Clock } from "../../platform/index.js";
import type { KvStore, Watch, WatchBatch } from "../../store/index.js";
import { maxRepliesWhileFull, maxWatchersPerStream, ServerError } from "../base/index.js";
import { bidi, encodedAlready, type Method, type RequestSink, type ResponseStream } from "../rpc/index.js";
import type { ResponseHeaders } from "./response-header.js";
import { encodedWatchId, WatchResponses } from "./watch-response.js";

export interface WatchServiceOptions {
  readonly store: KvStore;
  readonly headers: ResponseHeaders;
  readonly clock: Clock;
  /** Uniform in [0, 1): streams do not all send their progress at once. */
  readonly random: () => number;
  /** Between one and 1.1 times this passes between the progress notices of a stream. */
  readonly progressIntervalMs: number;
  /** Larger responses to watchers that ask for fragments are split. */
  readonly fragmentBytes: number;
}

/** etcdserverpb.Watch. */
export const watchMethods = (options: WatchServiceOptions): Method[] => {
  const responses = new WatchResponses(options.headers);
  return [
    bidi(
      "/etcdserverpb.Watch/Watch",
      WatchRequest,
      encodedAlready,
      (_call, stream) => new WatchStream(options, responses, stream),
    ),
  ];
};

/** A watch as its stream knows it. */
interface StreamWatcher {
  readonly watch: Watch;
  /** It needed what a compaction has removed. The id is still taken until the client gives it back. */
  isCompacted: boolean;
  readonly wantsProgress: boolean;
  /** No events were sent since the last tick. */
  isQuiet: boolean;
}

/** Said of a watch that does not come to be, instead of an id, and of progress that concerns all. */
const noId = -1n;
const jitter = 0.1;

/** One stream: any number of watchers, each with its own id, and one buffer, the stream's. */
class WatchStream implements RequestSink<WatchRequest> {
  private readonly watchers = new Map<bigint, StreamWatcher>();
  private nextId = 0n;
  /** The client does not take what is sent as fast as it comes; nobody is told of changes until it has. */
  private isFull = false;
  private repliesWhileFull = 0;
  /** Those that were not told of something for that reason. */
  private readonly missing = new Set<bigint>();
  private stopTicks: (() => void) | undefined = undefined;

  constructor(
    private readonly options: WatchServiceOptions,
    private readonly responses: WatchResponses,
    private readonly stream: ResponseStream<Uint8Array>,
  ) {
    stream.onDrain(() => this.drained());
  }

  /** @throws ServerError if the client asks for much and takes no answers: the stream ends */
  onRequest({ requestUnion: request }: WatchRequest): void {
    switch (request?.$case) {
      case "createRequest":
        return this.create(request.value);
      case "cancelRequest":
        return this.cancel(request.value.watchId);
      case "progressRequest":
        return this.tellProgress();
      case undefined: // as etcd, which says nothing
    }
  }

  /** Events go on until the client cancels the call. */
  readonly onHalfClose = (): void => undefined;

  onClosed(): void {
    this.stopTicks?.();
    for (const { watch } of this.watchers.values()) watch.close();
    this.watchers.clear();
  }

  private create(request: WatchCreateRequest): void {
    const refusal = this.refusalOf(request);
    if (refusal !== undefined) {
      this.reply({ watchId: noId, created: true, canceled: true, cancelReason: refusal });
      return;
    }
    const id = request.watchId === 0n ? this.freeId() : request.watchId;
    const watcher: StreamWatcher = {
      watch: this.watch(id, request),
      isCompacted: false,
      wantsProgress: request.progressNotify,
      isQuiet: true,
    };
    this.watchers.set(id, watcher);
    if (watcher.wantsProgress) this.startTicks();
    this.reply({ watchId: id, created: true });
  }

  /** Why there will be no such watch, in etcd's words. */
  private refusalOf({ key, rangeEnd, startRevision, watchId }: WatchCreateRequest): string | undefined {
    if (startRevision < 0n) return "etcdserver: mvcc: required revision has been compacted";
    const isOpenEnded = rangeEnd.length === 0 || isZeroByte(rangeEnd);
    if (!isOpenEnded && Buffer.compare(orZeroByte(key), rangeEnd) >= 0) return "mvcc: watcher range is empty";
    if (this.watchers.has(watchId) && watchId !== 0n) return "mvcc: duplicate watch ID provided on the WatchStream";
    if (this.watchers.size >= maxWatchersPerStream) return "etcdserver: too many requests";
    return undefined;
  }

  private freeId(): bigint {
    while (this.watchers.has(this.nextId)) this.nextId += 1n;
    return this.nextId++;
  }

  private watch(id: bigint, { key, rangeEnd, startRevision, prevKv, filters, fragment }: WatchCreateRequest): Watch {
    const options = {
      key: orZeroByte(key),
      rangeEnd,
      startRevision: counterFromRequest(startRevision),
      prevKv,
      puts: !filters.includes(Filter.NOPUT),
      deletes: !filters.includes(Filter.NODELETE),
    };
    const encodedId = encodedWatchId(id);
    return this.options.store.watch(options, {
      prepare: (events, isTired) => this.responses.prepare(events, isTired),
      changed: (batch) => this.taken(() => this.sendEvents(id, encodedId, batch, fragment)),
      compacted: (revision) => this.sendCompacted(id, revision),
      failed: (error) => this.stream.fail(error),
    });
  }

  /** Whoever tells of changes is in the middle of a write. What no message can hold ends the stream, not the member. */
  private taken(send: () => boolean): boolean {
    try {
      return send();
    } catch (error) {
      this.stream.fail(error);
      return false;
    }
  }

  private cancel(id: bigint): void {
    const watcher = this.watchers.get(id);
    if (watcher === undefined) return;
    watcher.watch.close();
    this.watchers.delete(id);
    this.reply({ watchId: id, canceled: true });
  }

  private sendEvents(id: bigint, encodedId: Uint8Array, { revision, events }: WatchBatch, fragment: boolean): boolean {
    if (this.isFull) {
      this.missing.add(id);
      return false;
    }
    const { responses, options } = this;
    const answers = fragment
      ? responses.fragments(revision, encodedId, events, options.fragmentBytes)
      : [responses.events(revision, encodedId, events)];
    for (const answer of answers) this.send(answer);
    const watcher = this.watchers.get(id);
    if (watcher !== undefined) watcher.isQuiet = false;
    return true;
  }

  private sendCompacted(id: bigint, revision: number): void {
    const watcher = this.watchers.get(id);
    if (watcher !== undefined) watcher.isCompacted = true;
    this.send(this.responses.answer(0, { watchId: id, canceled: true, compactRevision: BigInt(revision) }));
  }

  /** Only if all have been told everything: no event up to this revision comes later on this stream. */
  private tellProgress(): void {
    const active = [...this.watchers.values()].filter(({ isCompacted }) => !isCompacted);
    if (active.length > 0 && active.every(({ watch }) => watch.toldThrough() !== undefined))
      this.reply({ watchId: noId });
  }

  private startTicks(): void {
    const { clock, random, progressIntervalMs } = this.options;
    this.stopTicks ??= clock.every(progressIntervalMs * (1 + jitter * random()), () => this.tick());
  }

  private tick(): void {
    for (const [id, watcher] of this.watchers) {
      if (!watcher.wantsProgress) continue;
      const through = watcher.isQuiet && !this.isFull ? watcher.watch.toldThrough() : undefined;
      if (through !== undefined) this.send(this.responses.answer(through, { watchId: id }));
      watcher.isQuiet = true;
    }
  }

  private reply(fields: Partial<RawWatchResponse>): void {
    if (this.isFull && ++this.repliesWhileFull > maxRepliesWhileFull)
      throw new ServerError("too-many-requests", `${maxRepliesWhileFull} answers wait for the client to take them`);
    this.send(this.responses.answer(this.options.store.revision, fields));
  }

  private send(response: Uint8Array): void {
    if (!this.stream.send(response)) this.isFull = true;
  }

  private drained(): void {
    this.isFull = false;
    this.repliesWhileFull = 0;
    const missing = [...this.missing];
    this.missing.clear();
    for (const id of missing) this.watchers.get(id)?.watch.resume();
  }
}

const zeroByte = new Uint8Array(1);
const isZeroByte = (bytes: Uint8Array): boolean => bytes.length === 1 && bytes[0] === 0;
/** No key is a zero byte: with the same as range end, everything. */
const orZeroByte = (key: Uint8Array): Uint8Array => (key.length === 0 ? zeroByte : key);

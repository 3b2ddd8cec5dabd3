import {
  counterFromRequest,
  WatchCreateRequest_FilterType as Filter,
  type WatchCreateRequest,
} from "../../proto/index.js";
import type { Clock } from "../../platform/index.js";
import type { KvStore, Revision, Sliced, Watch, WatchBatch, WatchOptions, WatchReceiver } from "../../store/index.js";
import { maxRepliesWhileFull, maxWatchersPerStream, ServerError } from "../base/index.js";
import type { Application } from "./application.js";
import type { RequestStats } from "./request-stats.js";
import type { ToldWatch, WatchAnswer, WatchListener, WatchSession } from "./sessions.js";

export interface WatchSettings {
  readonly clock: Clock;
  /** Uniform in [0, 1): sessions do not all send their progress at once. */
  readonly random: () => number;
  /** The interval of a session's progress notices; a random tenth of it is added. */
  readonly watchProgressMs: number;
  readonly stats: Pick<RequestStats, "watchStreams">;
}

type WatchedStore = Pick<KvStore, "revision" | "watch">;

/** etcd's Watch. */
export const watchOperation =
  (store: WatchedStore, settings: WatchSettings): Application["watch"] =>
  (_caller, listener) =>
    new StoreWatchSession(store, settings, listener);

const jitter = 0.1;

/** A session on a store: any number of watches, each with its own id, and one buffer, the listener's. */
class StoreWatchSession implements WatchSession, WatchReceiver<SessionWatch> {
  private readonly watches = new Map<bigint, SessionWatch>();
  private nextId = 0n;
  /** The caller does not take events as fast as they come; it is sent no more until it has. */
  private isFull = false;
  private repliesWhileFull = 0;
  private isClosed = false;
  /** Watches whose events were not sent for that reason. */
  private missing: SessionWatch[] = [];
  private stopTicks: (() => void) | undefined = undefined;

  constructor(
    readonly store: WatchedStore,
    private readonly settings: WatchSettings,
    readonly listener: WatchListener,
  ) {
    settings.stats.watchStreams++;
  }

  create(request: WatchCreateRequest): void {
    const reason = this.refusalOf(request);
    if (reason !== undefined) {
      this.reply({ kind: "refused", reason, revision: this.store.revision });
      return;
    }
    const watchId = request.watchId === 0n ? this.freeId() : request.watchId;
    this.watches.set(watchId, new SessionWatch(this, watchId, request));
    if (request.progressNotify) this.startTicks();
    this.reply({ kind: "created", watchId, revision: this.store.revision });
  }

  cancel(watchId: bigint): void {
    const watch = this.watches.get(watchId);
    if (watch === undefined) return;
    watch.close();
    this.watches.delete(watchId);
    this.reply({ kind: "canceled", watchId, revision: this.store.revision });
  }

  /** Only if all have been told everything: no event up to this revision comes later in this session. */
  requestProgress(): void {
    const active = [...this.watches.values()].filter(({ isCompacted }) => !isCompacted);
    if (active.length > 0 && active.every((watch) => watch.toldThrough !== undefined))
      this.reply({ kind: "progress", watchId: undefined, revision: this.store.revision });
  }

  resume(): void {
    this.isFull = false;
    this.repliesWhileFull = 0;
    const { missing } = this;
    this.missing = [];
    for (const watch of missing) watch.resume();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.settings.stats.watchStreams--;
    this.stopTicks?.();
    for (const watch of this.watches.values()) watch.close();
    this.watches.clear();
  }

  changed(watches: readonly SessionWatch[], from: number, to: number, batch: WatchBatch): number {
    const told = this.sendEvents(watches, from, to, batch);
    for (const watch of watches.slice(from, from + told)) watch.isQuiet = false;
    return told;
  }

  prepare(events: readonly Uint8Array[], isTired: (events: number) => boolean): Sliced<void> {
    return this.listener.prepare?.(events, isTired) ?? noWork();
  }

  compacted(watch: SessionWatch, compactRevision: Revision): void {
    watch.isCompacted = true;
    this.send({ kind: "compacted", watchId: watch.id, compactRevision });
  }

  failed(_watch: SessionWatch, error: unknown): void {
    this.listener.onError(error);
  }

  private sendEvents(watches: readonly SessionWatch[], from: number, to: number, batch: WatchBatch): number {
    try {
      const told = this.isFull ? 0 : this.listener.onEvents(watches, from, to, batch);
      if (told === to - from) return told;
      this.isFull = true;
      for (const watch of watches.slice(from + told, to)) this.missing.push(watch);
      return told;
    } catch (error) {
      // The store is in the middle of a write. Events that no message can hold end the session, not the member.
      this.listener.onError(error);
      return 0;
    }
  }

  private send(answer: WatchAnswer): void {
    if (!this.listener.onAnswer(answer)) this.isFull = true;
  }

  private reply(answer: WatchAnswer): void {
    if (this.isFull && ++this.repliesWhileFull > maxRepliesWhileFull)
      throw new ServerError("too-many-requests", `${maxRepliesWhileFull} answers wait for the client to take them`);
    this.send(answer);
  }

  /** Returns the reason to refuse a watch, in etcd's words; undefined if there is none. */
  private refusalOf({ key, rangeEnd, startRevision, watchId }: WatchCreateRequest): string | undefined {
    if (startRevision < 0n) return "etcdserver: mvcc: required revision has been compacted";
    const isOpenEnded = rangeEnd.length === 0 || isZeroByte(rangeEnd);
    if (!isOpenEnded && Buffer.compare(orZeroByte(key), rangeEnd) >= 0) return "mvcc: watcher range is empty";
    if (this.watches.has(watchId) && watchId !== 0n) return "mvcc: duplicate watch ID provided on the WatchStream";
    if (this.watches.size >= maxWatchersPerStream) return "etcdserver: too many requests";
    return undefined;
  }

  private freeId(): bigint {
    while (this.watches.has(this.nextId)) this.nextId += 1n;
    return this.nextId++;
  }

  private startTicks(): void {
    const { clock, random, watchProgressMs } = this.settings;
    this.stopTicks ??= clock.every(watchProgressMs * (1 + jitter * random()), () => this.tick());
  }

  private tick(): void {
    for (const [watchId, watch] of this.watches) {
      if (!watch.wantsProgress) continue;
      const revision = watch.isQuiet && !this.isFull ? watch.toldThrough : undefined;
      if (revision !== undefined) this.send({ kind: "progress", watchId, revision });
      watch.isQuiet = true;
    }
  }
}

/** A watch of a session. */
class SessionWatch implements ToldWatch {
  /** Whether a compaction has removed history that it needs. The id stays taken until the caller gives it back. */
  isCompacted = false;
  /** No events were sent since the last tick. */
  isQuiet = true;
  readonly wantsProgress: boolean;
  readonly fragment: boolean;
  readonly label: Uint8Array;
  private readonly watch: Watch;

  constructor(
    session: StoreWatchSession,
    readonly id: bigint,
    request: WatchCreateRequest,
  ) {
    this.wantsProgress = request.progressNotify;
    this.fragment = request.fragment;
    this.label = session.listener.onWatch(id);
    this.watch = session.store.watch(optionsOf(request), session, this);
  }

  /** Returns the revision up to which all events were sent; undefined if some up to now were not. */
  get toldThrough(): Revision | undefined {
    return this.watch.toldThrough();
  }

  resume(): void {
    this.watch.resume();
  }

  close(): void {
    this.watch.close();
  }
}

function* noWork(): Sliced<void> {
  // for listeners that need none
}

const optionsOf = ({ key, rangeEnd, startRevision, prevKv, filters }: WatchCreateRequest): WatchOptions => ({
  key: orZeroByte(key),
  rangeEnd,
  startRevision: counterFromRequest(startRevision),
  prevKv,
  puts: !filters.includes(Filter.NOPUT),
  deletes: !filters.includes(Filter.NODELETE),
});

const zeroByte = new Uint8Array(1);
const isZeroByte = (bytes: Uint8Array): boolean => bytes.length === 1 && bytes[0] === 0;
/** No key is a zero byte: with the same as range end, everything. */
const orZeroByte = (key: Uint8Array): Uint8Array => (key.length === 0 ? zeroByte : key);

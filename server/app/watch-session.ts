import {
  counterFromRequest,
  WatchCreateRequest_FilterType as Filter,
  type WatchCreateRequest,
} from "../../proto/index.js";
import type { Clock } from "../../platform/index.js";
import type {
  KvStore,
  Revision,
  Sliced,
  Watch,
  WatchBatch,
  WatchOptions,
  WatchReceiver,
  ShouldYield,
} from "../../store/index.js";
import { maxResponsesWhileFull, maxWatchersPerStream, ServerError } from "../base/index.js";
import type { KeyRange } from "../auth/index.js";
import type { Access } from "./access.js";
import type { Application } from "./application.js";
import type { RequestStats } from "./request-stats.js";
import type { WatchView, WatchAnswer, WatchListener, WatchSession } from "./sessions.js";
import { type AdmittedWatch, type RecheckedSession, WatchAccess, WatchRechecks } from "./watch-access.js";

/** The settings of etcd's Watch. */
export interface WatchSettings {
  readonly clock: Clock;
  /** Uniform in [0, 1): spreads the progress notices of sessions over time. */
  readonly random: () => number;
  /** The interval of a session's progress notices, in milliseconds; a random part of a tenth is added. */
  readonly watchProgressMs: number;
  readonly stats: Pick<RequestStats, "watchStreams">;
  readonly access: Access;
}

type WatchedStore = Pick<KvStore, "revision" | "watch">;

/** etcd's Watch: opens sessions on the store. */
export const watchOperation = (store: WatchedStore, settings: WatchSettings): Application["watch"] => {
  const rechecks = new WatchRechecks(settings.access, settings.clock);
  return (caller, listener) => {
    const access = new WatchAccess(settings.access, caller);
    return new StoreWatchSession(store, settings, listener, access, rechecks);
  };
};

const jitter = 0.1;

/** A session on a store: any number of watches, each with its own id, and a single buffer, the listener's. */
class StoreWatchSession implements WatchSession, WatchReceiver<SessionWatch>, RecheckedSession {
  private readonly watches = new Map<bigint, SessionWatch>();
  private nextId = 0n;
  /** Whether the listener has no room; no event is sent until `resume`. */
  private isFull = false;
  private responsesWhileFull = 0;
  private isClosed = false;
  /** The watches whose events were not sent for lack of room. */
  private missing: SessionWatch[] = [];
  private stopTicks: (() => void) | undefined = undefined;
  /** Requests behind one whose caller is being authenticated; undefined: requests are served at once. */
  private held: (() => void)[] | undefined = undefined;

  constructor(
    readonly store: WatchedStore,
    private readonly settings: WatchSettings,
    readonly listener: WatchListener,
    private readonly access: WatchAccess,
    private readonly rechecks: WatchRechecks,
  ) {
    settings.stats.watchStreams++;
    rechecks.add(this);
  }

  create(request: WatchCreateRequest): void {
    if (this.holdBack(() => this.create(request))) return;
    if (!this.access.isOn || request.startRevision < 0n) return this.createFor(undefined, request);
    const admitted = this.access.admit(rangeOf(request));
    if (!(admitted instanceof Promise)) return this.createFor(admitted, request);
    this.held = [];
    admitted
      .then((known) => {
        const { held = [] } = this;
        this.held = undefined;
        if (this.isClosed) return;
        this.createFor(known, request);
        for (const next of held) next();
      })
      .catch((error: unknown) => this.listener.onError(error));
  }

  cancel(watchId: bigint): void {
    if (this.holdBack(() => this.cancel(watchId))) return;
    const watch = this.watches.get(watchId);
    if (watch === undefined) return;
    watch.close();
    this.watches.delete(watchId);
    this.reply({ kind: "canceled", watchId, revision: this.store.revision });
  }

  /** Answers only if no watch is behind: no event up to this revision may follow in this session. */
  requestProgress(): void {
    if (this.holdBack(() => this.requestProgress())) return;
    const active = [...this.watches.values()].filter(({ isCompacted }) => !isCompacted);
    if (active.length > 0 && active.every((watch) => watch.sentThrough !== undefined))
      this.reply({ kind: "progress", watchId: undefined, revision: this.store.revision });
  }

  resume(): void {
    this.isFull = false;
    this.responsesWhileFull = 0;
    const { missing } = this;
    this.missing = [];
    for (const watch of missing) watch.resume();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.settings.stats.watchStreams--;
    this.rechecks.remove(this);
    this.stopTicks?.();
    for (const watch of this.watches.values()) watch.close();
    this.watches.clear();
  }

  *recheck(): Generator<void, void> {
    for (const [watchId, watch] of this.watches) {
      const refusal = this.access.refusalOf(watch.user, watch.range);
      if (refusal !== undefined) {
        watch.close();
        this.watches.delete(watchId);
        this.send({ kind: "canceled", watchId, ...refusal, revision: this.store.revision });
      }
      yield;
    }
  }

  onChanged(watches: readonly SessionWatch[], from: number, to: number, batch: WatchBatch): number {
    const accepted = this.sendEvents(watches, from, to, batch);
    for (const watch of watches.slice(from, from + accepted)) watch.isQuiet = false;
    return accepted;
  }

  prepare(events: readonly Uint8Array[], shouldYield: ShouldYield): Sliced<void> {
    return this.listener.prepare?.(events, shouldYield) ?? doNothing();
  }

  onCompacted(watch: SessionWatch, compactRevision: Revision): void {
    watch.isCompacted = true;
    this.send({ kind: "compacted", watchId: watch.id, compactRevision });
  }

  onFailed(_watch: SessionWatch, error: unknown): void {
    this.listener.onError(error);
  }

  private sendEvents(watches: readonly SessionWatch[], from: number, to: number, batch: WatchBatch): number {
    try {
      const accepted = this.isFull ? 0 : this.listener.onEvents(watches, from, to, batch);
      if (accepted === to - from) return accepted;
      this.isFull = true;
      for (const watch of watches.slice(from + accepted, to)) this.missing.push(watch);
      return accepted;
    } catch (error) {
      // The store is in the middle of a write: an error, as of events too large for any message, ends the session, not the
      // member.
      this.listener.onError(error);
      return 0;
    }
  }

  private send(answer: WatchAnswer): void {
    if (!this.listener.onAnswer(answer)) this.isFull = true;
  }

  private reply(answer: WatchAnswer): void {
    if (this.isFull && ++this.responsesWhileFull > maxResponsesWhileFull)
      throw new ServerError("too-many-requests", `${maxResponsesWhileFull} answers wait for the client to read them`);
    this.send(answer);
  }

  /** Returns the reason to refuse a watch, in etcd's words; undefined if there is none. */
  private refusalOf({ key, rangeEnd, startRevision, watchId }: WatchCreateRequest): string | undefined {
    if (startRevision < 0n) return "etcdserver: mvcc: required revision has been compacted";
    const isOpenEnded = rangeEnd.length === 0 || isZeroByte(rangeEnd);
    if (!isOpenEnded && Buffer.compare(zeroByteIfEmpty(key), rangeEnd) >= 0) return "mvcc: watcher range is empty";
    if (this.watches.has(watchId) && watchId !== 0n) return "mvcc: duplicate watch ID provided on the WatchStream";
    if (this.watches.size >= maxWatchersPerStream) return "etcdserver: too many requests";
    return undefined;
  }

  private createFor(admitted: AdmittedWatch | undefined, request: WatchCreateRequest): void {
    const { revision } = this.store;
    const reason = this.refusalOf(request);
    if (admitted?.refusal !== undefined) return this.reply({ kind: "refused", ...admitted.refusal, revision });
    if (reason !== undefined) return this.reply({ kind: "refused", reason, revision });
    const watchId = request.watchId === 0n ? this.takeFreeId() : request.watchId;
    this.watches.set(watchId, new SessionWatch(this, watchId, request, admitted?.user));
    if (request.progressNotify) this.startTicks();
    this.reply({ kind: "created", watchId, revision });
  }

  /** Queues a request behind one whose caller is being authenticated. @returns false: there is none, the request is not queued */
  private holdBack(request: () => void): boolean {
    if (this.held === undefined) return false;
    if (this.held.length >= maxResponsesWhileFull)
      throw new ServerError(
        "too-many-requests",
        `${maxResponsesWhileFull} requests wait for the authentication of their caller`,
      );
    this.held.push(request);
    return true;
  }

  private takeFreeId(): bigint {
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
      const revision = watch.isQuiet && !this.isFull ? watch.sentThrough : undefined;
      if (revision !== undefined) this.send({ kind: "progress", watchId, revision });
      watch.isQuiet = true;
    }
  }
}

/** A watch of a session. */
class SessionWatch implements WatchView {
  /** Whether a compaction has removed history that the watch needs. The id stays in use until the caller cancels the watch. */
  isCompacted = false;
  /** Whether no events were sent since the last tick. */
  isQuiet = true;
  readonly wantsProgress: boolean;
  readonly fragment: boolean;
  readonly label: Uint8Array;
  readonly range: KeyRange;
  private readonly watch: Watch;

  constructor(
    session: StoreWatchSession,
    readonly id: bigint,
    request: WatchCreateRequest,
    /** The user of the request; undefined: authentication was off. */
    readonly user: string | undefined,
  ) {
    this.range = rangeOf(request);
    this.wantsProgress = request.progressNotify;
    this.fragment = request.fragment;
    this.label = session.listener.createLabel(id);
    this.watch = session.store.watch(optionsOf(request), session, this);
  }

  /** The revision up to which all events were sent; undefined while the watch is behind. */
  get sentThrough(): Revision | undefined {
    return this.watch.sendPending();
  }

  resume(): void {
    this.watch.resume();
  }

  close(): void {
    this.watch.close();
  }
}

function* doNothing(): Sliced<void> {
  // for listeners without `prepare`
}

const rangeOf = ({ key, rangeEnd }: WatchCreateRequest): KeyRange => ({ key: zeroByteIfEmpty(key), rangeEnd });

const optionsOf = ({ key, rangeEnd, startRevision, prevKv, filters }: WatchCreateRequest): WatchOptions => ({
  key: zeroByteIfEmpty(key),
  rangeEnd,
  startRevision: counterFromRequest(startRevision),
  prevKv,
  puts: !filters.includes(Filter.NOPUT),
  deletes: !filters.includes(Filter.NODELETE),
});

const zeroByte = new Uint8Array(1);
const isZeroByte = (bytes: Uint8Array): boolean => bytes.length === 1 && bytes[0] === 0;
/** Replaces an empty key by a zero byte: as key and range end together, the interval of all keys. */
const zeroByteIfEmpty = (key: Uint8Array): Uint8Array => (key.length === 0 ? zeroByte : key);

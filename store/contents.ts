import type { RangeRequest, RawRangeResponse, RawTxnResponse, TxnRequest } from "../proto/index.js";
import { counterFromRequest } from "../proto/index.js";
import { type Backend, type BackendSize, BlockList, type Pause } from "./disk/index.js";
import {
  AnswerSize,
  ClosedError,
  CompactedError,
  FutureRevisionError,
  type Key,
  LeaseExistsError,
  type LeaseId,
  nextRevision,
  type Revision,
  type Sliced,
  type StoreClock,
  type StoreLimits,
  type StoreStats,
  type Turns,
} from "./base/index.js";
import {
  type Compaction,
  Compactor,
  onlyOpen,
  Pins,
  recover,
  type Recovered,
  recoverState,
  type RoundState,
  snapshotOf,
  type StoreChanges,
  type StoreImage,
  type StoreSnapshot,
  Tables,
  WriteBehind,
} from "./persist/index.js";
import {
  type Bounds,
  isPlainGet,
  KeyIndex,
  type KvHash,
  KvHasher,
  type Lease,
  Leases,
  type PartBounds,
  type RangePart,
  readKey,
  readPart,
  readRange,
  runTxn,
  type StoreData,
  Unflushed,
  ValueCache,
  Values,
  Write,
} from "./mvcc/index.js";
import { Defragmenter, type DefragmentedContents } from "./defragmenter.js";
import { WatchHistory } from "./watch/index.js";

/** A response, and the store's revision for its header, which the caller fills in. */
export interface Answer<T> {
  readonly response: T;
  readonly revision: Revision;
}

/** The backend of a store. */
export interface StoreBackend extends Backend {
  /** The contents in memory, if the rows are a copy of another store's: used as they are, instead of reading the rows. */
  readonly image?: StoreImage | undefined;
}

/** The options of `openContents`. */
export interface ContentsOptions {
  /** The rows. Closed together with the contents, also if the rows cannot be read. */
  readonly backend: StoreBackend;
  readonly clock: StoreClock;
  readonly turns: Turns;
  /** Called once, when a write to disk has failed: from then on the store is read-only. */
  readonly onFailure: (error: Error) => void;
  readonly limits: StoreLimits;
  readonly stats: StoreStats;
}

/**
 * Reads the rows of a backend into memory, in slices.
 *
 * @throws DamagedError, StoreVersionError
 */
export async function openContents(options: ContentsOptions, pause: Pause): Promise<Contents> {
  const { backend, limits, turns, stats } = options;
  const cache = new ValueCache(limits.cacheBytes);
  const { image } = backend;
  const { index, leases, tables, blocks } = image ?? emptyImage();
  try {
    const recovered = await (image === undefined
      ? recover(backend, { index, cache, leases, tables, blocks }, pause)
      : recoverState(backend));
    const unflushed = new Unflushed(nextRevision(recovered.revision));
    const values = new Values(backend, unflushed, cache, blocks);
    const data = { index, leases, values, cache, unflushed, blocks, limits, turns, stats };
    return new Contents(options, data, tables, recovered);
  } catch (error) {
    await backend.close();
    throw error;
  }
}

const emptyImage = (): StoreImage => ({
  index: new KeyIndex(),
  leases: new Leases(),
  tables: new Tables(),
  blocks: new BlockList(),
});

const refuseChange = (): never => {
  throw new Error("Cannot change anything in a transaction that only reads");
};

/**
 * The contents of a store, with everything that depends on the backend: index, leases, pending writes, compactions, reads. An
 * installed snapshot brings new contents, and the former ones retire.
 */
export class Contents implements StoreChanges, DefragmentedContents {
  /** The marker of the last round on disk when the contents were opened; undefined if there was none. */
  readonly marker: Uint8Array | undefined;
  readonly writer: WriteBehind;
  readonly history: WatchHistory;

  private current: Revision;
  private compacted: Revision;
  private readonly backend: Backend;
  private readonly pins = new Pins();
  private readonly compactor: Compactor;
  private readonly defragmenter: Defragmenter;
  private readonly unfinished: Revision | undefined;
  private readonly snapshots = new Set<StoreSnapshot>();
  private retiring: Promise<void> | undefined = undefined;
  private closing: Promise<void> | undefined = undefined;
  /** A revision is being applied, in slices; reads do not see it yet. */
  private isApplying = false;
  private waitingForIdle: (() => void)[] = [];
  /** The reads from disk that have been subtracted from a turn's budget. */
  private diskReadsCounted = 0;

  /** Use `openContents`. */
  constructor(
    { backend, clock, onFailure }: ContentsOptions,
    readonly data: StoreData,
    readonly tables: Tables,
    recovered: Recovered,
  ) {
    this.backend = backend;
    this.marker = recovered.marker;
    this.current = recovered.revision;
    this.compacted = recovered.compactRevision;
    this.unfinished = recovered.unfinishedCompaction;
    this.writer = new WriteBehind(backend, clock, data, onFailure, recovered.changes, tables);
    this.compactor = new Compactor(data, this.writer, this.pins, { backend, clock, changes: this });
    this.defragmenter = new Defragmenter(backend, this, data.stats, clock);
    this.history = new WatchHistory(data, backend);
  }

  /** Starts the work in the background: continues an interrupted compaction. */
  start(): void {
    if (this.unfinished !== undefined) this.compactor.start(this.unfinished, Promise.resolve());
  }

  /** The newest revision. */
  get revision(): Revision {
    return this.current;
  }

  /** The revision of the newest compaction; -1 if the store was never compacted. */
  get compactRevision(): Revision {
    return this.compacted;
  }

  /** The number of existing keys. */
  get keyCount(): number {
    return this.data.index.liveSize;
  }

  /**
   * Begins a write of the next revision. Reads do not see its changes before `makeNewest`.
   *
   * @param checkWritable throws if the store is read-only
   */
  beginWrite(checkWritable: () => void): Write {
    this.checkIdle();
    return new Write(this.data, nextRevision(this.current), checkWritable);
  }

  /** Makes the revision of a successful write the newest one; the next round writes it to disk. */
  makeNewest(write: Write): void {
    if (!write.hasChanged) return;
    this.current = write.revision;
    this.writer.onApplied(write.bytes, write.changeCount);
  }

  /**
   * Makes the changes of a write in slices; if `change` throws, all of them are undone. Meanwhile no other
   * write may be applied. Reads do not see the changes before `makeNewest`.
   */
  *apply<T>(change: (write: Write) => Sliced<T>, write: Write): Sliced<T> {
    this.isApplying = true;
    try {
      return yield* this.changeOrUndo(change, write);
    } finally {
      this.isApplying = false;
      this.wakeIdle();
    }
  }

  /** The revisions before a transaction. */
  get bounds(): Bounds {
    return { revision: this.current, compactRevision: this.compacted };
  }

  private *changeOrUndo<T>(change: (write: Write) => Sliced<T>, write: Write): Sliced<T> {
    try {
      return yield* change(write);
    } catch (error) {
      yield* write.undo();
      throw error;
    }
  }

  /** Checks that no revision is half applied. */
  private checkIdle(): void {
    if (this.isApplying) throw new Error("Cannot apply anything while a revision is being applied");
  }

  /** Runs `work` once no revision is half applied. @throws ClosedError */
  async whenIdle<T>(work: () => T): Promise<T> {
    while (this.isApplying) {
      this.checkOpen(); // an applier may have stopped between two slices
      await new Promise<void>((resolve) => this.waitingForIdle.push(resolve));
    }
    return work();
  }

  private wakeIdle(): void {
    for (const resolve of this.waitingForIdle.splice(0)) resolve();
  }

  /** Creates a lease. @throws LeaseExistsError */
  grantLease(lease: Lease): void {
    this.checkIdle();
    if (this.data.leases.get(lease.id) !== undefined) throw new LeaseExistsError(lease.id);
    this.data.leases.add(lease);
    this.writer.onLeaseChanged(lease.id, lease);
  }

  /** Sets the remaining time of a lease; undefined sets it to the TTL. */
  checkpointLease(id: LeaseId, remainingSeconds: number | undefined): void {
    this.checkIdle();
    const lease = this.data.leases.checkpoint(id, remainingSeconds);
    if (lease !== undefined) this.writer.onLeaseChanged(id, lease);
  }

  /** Deletes a lease whose keys have been deleted. */
  removeLease(id: LeaseId): void {
    this.data.leases.remove(id);
    this.writer.onLeaseChanged(id, undefined);
  }

  /** Compacts up to `revision`; see `KvStore.compact`. @throws CompactedError, FutureRevisionError */
  compact(revision: number): Compaction {
    this.checkIdle();
    if (revision <= this.compacted) throw new CompactedError(revision, this.compacted);
    if (revision > this.current) throw new FutureRevisionError(revision, this.current);
    this.compacted = revision as Revision;
    return this.compactor.start(this.compacted, this.writer.schedule(this.compacted));
  }

  /** The newest compaction, which ends after all earlier ones. */
  get newestCompaction(): Compaction {
    return this.compactor.newest;
  }

  /** Ends a round: all changes since the last one become durable together with `state`. */
  endRound(state: RoundState): void {
    this.checkIdle();
    this.writer.endRound(this.current, state);
  }

  /** Answers a Range. @throws CompactedError, FutureRevisionError, TooLargeError, DamagedError */
  range(request: RangeRequest): Answer<RawRangeResponse> | Promise<Answer<RawRangeResponse>> {
    const at = this.resolveRevision(request.revision);
    this.data.stats.ranges++;
    if (isPlainGet(request) && at === this.current)
      return { response: readKey(this.data, request, at), revision: this.current };
    const { limits } = this.data;
    const size = new AnswerSize(limits.responseBytes);
    return this.read(readRange(this.data, request, { at, size, shouldYield: this.shouldYield }), at);
  }

  /**
   * Reads a part of an interval at one revision. The next part can be read later, as long as the revision is not compacted.
   *
   * @param revision 0 or less: the newest
   * @throws CompactedError, FutureRevisionError, DamagedError
   */
  rangePart(bounds: PartBounds, revision: bigint): Answer<RangePart> | Promise<Answer<RangePart>> {
    const at = this.resolveRevision(revision);
    return this.read(readPart(this.data, bounds, { at, shouldYield: this.shouldYield }), at);
  }

  /**
   * Answers a transaction that only reads.
   *
   * @throws CompactedError, FutureRevisionError, TooLargeError, DamagedError
   */
  readTxn(request: TxnRequest): Answer<RawTxnResponse> | Promise<Answer<RawTxnResponse>> {
    const reading = new Write(this.data, nextRevision(this.current), refuseChange, this.shouldYield);
    // Stated revisions of its reads are checked against the compaction; reads without one are at the newest revision.
    return this.read(runTxn(this.data, request, reading, this.bounds), Math.max(0, this.compacted));
  }

  /** Returns the keys attached to a lease, ascending. @throws LeaseNotFoundError */
  async leaseKeys(id: LeaseId): Promise<readonly Key[]> {
    return this.whenIdle(() => this.data.leases.listKeys(id));
  }

  /** Computes etcd's HashKV. @throws CompactedError, FutureRevisionError, DamagedError */
  async hashKv(revision: number): Promise<KvHash> {
    if (revision > 0 && revision < this.compacted) throw new CompactedError(revision, this.compacted);
    if (revision > this.current) throw new FutureRevisionError(revision, this.current);
    const at = revision === 0 ? this.current : (revision as Revision);
    const hasher = new KvHasher(this.data, at, this.compacted);
    return this.readPinned(this.compacted, () => hasher.run(this.backend));
  }

  /** Runs a read that compactions do not affect; the backend stays open meanwhile. */
  readWhileOpen<T>(read: () => Promise<T>): Promise<T> {
    return this.readPinned(onlyOpen, read);
  }

  /** Opens a snapshot of all rows. @throws DamagedError */
  snapshot(): StoreSnapshot {
    const snapshot = snapshotOf(this.backend, (closed) => this.snapshots.delete(closed));
    this.snapshots.add(snapshot);
    return snapshot;
  }

  /** Returns a copy of the contents in memory, for a store on a copy of the rows; undefined while writes or a compaction are pending. */
  image(): StoreImage | undefined {
    if (this.isApplying || !this.writer.isIdle || !this.compactor.isIdle) return undefined;
    const { index, leases, blocks } = this.data;
    return { index: index.copy(), leases: leases.copy(), tables: this.tables.copy(), blocks: blocks.copy() };
  }

  /** Returns the size of the backend. */
  size(): Promise<BackendSize> {
    return this.backend.size();
  }

  /** Has the backend free the disk space of deleted rows. */
  defragment(): Promise<void> {
    return this.defragmenter.run();
  }

  /**
   * Retires replaced contents: pending writes are discarded, open snapshots are closed, and once all reads have ended the backend is
   * closed.
   */
  retire(): Promise<void> {
    this.retiring ??= this.closeWhenReleased();
    return this.retiring;
  }

  /** Writes all ended rounds, then closes the backend. Reads in progress end with ClosedError. */
  close(): Promise<void> {
    this.closing ??= this.shutDown();
    this.wakeIdle();
    return this.closing;
  }

  private async closeWhenReleased(): Promise<void> {
    this.compactor.stop();
    this.writer.discard();
    await Promise.all(Array.from(this.snapshots, (snapshot) => snapshot.close()));
    await this.pins.whenAllReleased();
    await this.close();
  }

  private async shutDown(): Promise<void> {
    this.compactor.stop();
    try {
      await this.writer.close();
    } finally {
      await this.compactor.whenEnded();
      await Promise.all(Array.from(this.snapshots, (snapshot) => snapshot.close()));
      await this.backend.close();
    }
  }

  private resolveRevision(asked: bigint): number {
    if (asked <= 0n) return this.current;
    const revision = counterFromRequest(asked);
    if (revision > this.current) throw new FutureRevisionError(revision, this.current);
    if (revision < this.compacted) throw new CompactedError(revision, this.compacted);
    return revision;
  }

  /** Answers at once if one slice of this turn suffices, else in slices. @param at the oldest revision that is read */
  private read<T>(work: Sliced<T>, at: number): Answer<T> | Promise<Answer<T>> {
    const revision = this.current;
    if (!this.data.turns.isOver) {
      const first = work.next();
      if (first.done === true) return { response: first.value, revision };
    }
    return this.readPinned(at, async () => ({ response: await this.data.turns.run(work, this.checkOpen), revision }));
  }

  private readonly shouldYield = (entries: number): boolean => {
    const { values, turns } = this.data;
    const diskReads = values.diskReads - this.diskReadsCounted;
    this.diskReadsCounted += diskReads;
    return turns.spend(entries, diskReads);
  };

  /** Throws if the contents are closed. @throws ClosedError */
  readonly checkOpen = (): void => {
    if (this.closing !== undefined) throw new ClosedError();
  };

  /** Runs `read`; meanwhile no compaction removes changes that a read at revision `at` or later needs. */
  private async readPinned<T>(at: number, read: () => Promise<T>): Promise<T> {
    const pin = this.pins.hold(at);
    try {
      return await read();
    } catch (error) {
      throw this.closing === undefined ? error : new ClosedError({ cause: error });
    } finally {
      this.pins.release(pin);
    }
  }
}

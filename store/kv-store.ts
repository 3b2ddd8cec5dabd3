import type {
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RawDeleteRangeResponse,
  RawPutResponse,
  RawRangeResponse,
  RawTxnResponse,
  TxnRequest,
} from "../proto/index.js";
import { type Backend, type BackendSize, neverPause } from "./disk/index.js";
import {
  ClosedError,
  defaultLimits,
  type Key,
  type LeaseId,
  type Revision,
  type Sliced,
  type StoreLimits,
  StoreStats,
  Turns,
  type ShouldYield,
} from "./base/index.js";
import type { Compaction, RoundState, StoreImage, StoreSnapshot, TableSource } from "./persist/index.js";
import { openContents, type Answer, type Contents, type ContentsOptions } from "./contents.js";
import { ContentsInUse, type Installed } from "./contents-in-use.js";
import {
  hashLeases,
  type KvHash,
  type Lease,
  type PartBounds,
  type RangePart,
  runSmallTxn,
  runTxn,
  type Write,
} from "./mvcc/index.js";
import { type Watch, Watches, type WatchOptions, type WatchReceiver } from "./watch/index.js";

/** The options of `openStore`. */
export interface StoreOptions extends Pick<ContentsOptions, "backend" | "clock" | "onFailure"> {
  readonly limits?: Partial<StoreLimits>;
}

/**
 * Opens a store and reads all its keys.
 *
 * @throws DamagedError if rows on disk differ from the written ones
 * @throws StoreVersionError if another version wrote the rows
 */
export async function openStore(options: StoreOptions): Promise<KvStore> {
  const limits = { ...defaultLimits, ...options.limits };
  const turns = new Turns(options.clock, limits);
  const stats = new StoreStats();
  const contents = await openContents({ ...options, limits, turns, stats }, neverPause);
  contents.start();
  return new KvStore(contents, { ...options, limits, stats }, turns);
}

/**
 * Keys with all their values since the last compaction. One caller applies writes, in log order. A write takes effect in memory at
 * once and is written to disk later, with its whole round. The same writes give the same store on every member.
 */
export class KvStore implements TableSource {
  private readonly watches: Watches;
  private changes = 0;
  private readonly inUse: ContentsInUse;
  private closing: Promise<void> | undefined = undefined;

  /** Use `openStore`. */
  constructor(
    contents: Contents,
    private readonly options: Omit<ContentsOptions, "backend" | "turns">,
    private readonly turns: Turns,
  ) {
    this.watches = new Watches(() => this.contents, turns, options.limits, options.stats);
    this.inUse = new ContentsInUse(contents, { ...options, turns }, this.watches, this.checkOpen);
  }

  private get contents(): Contents {
    return this.inUse.contents;
  }

  /** The marker of the last round on disk when the store, or the last installed snapshot, was opened; undefined for a new store. */
  get marker(): Uint8Array | undefined {
    return this.contents.marker;
  }

  /** The newest revision. */
  get revision(): Revision {
    return this.contents.revision;
  }

  /** The revision of the newest compaction; -1 if the store was never compacted. */
  get compactRevision(): Revision {
    return this.contents.compactRevision;
  }

  /** The statistics of this store. */
  get stats(): StoreStats {
    return this.options.stats;
  }

  /** The number of existing keys. */
  get keyCount(): number {
    return this.contents.keyCount;
  }

  /** The changes of keys applied since the store was opened. The applier bounds its turns by them. */
  get appliedChanges(): number {
    return this.changes;
  }

  /** The approximate bytes written to disk since the store was opened; an installed snapshot counts as a whole. */
  get writtenBytes(): number {
    return this.inUse.writtenBytes;
  }

  // Applied writes, in log order. A write that throws has changed nothing. A write of many keys is applied in slices; until it is
  // complete, reads and watchers do not see it, no other write may be applied, and the round may not be ended.

  /** Applies a put. @throws LeaseNotFoundError, KeyNotFoundError, TooLargeError */
  put(request: PutRequest): Answer<RawPutResponse> {
    const { contents } = this;
    const write = contents.beginWrite(this.checkWritable);
    const response = write.put(request);
    return this.makeNewest(contents, write, response);
  }

  /** Applies a DeleteRange, in slices. @throws TooLargeError */
  deleteRange(request: DeleteRangeRequest): Sliced<Answer<RawDeleteRangeResponse>> {
    return this.apply((write) => write.deleteRange(request));
  }

  /** Applies a transaction, in slices. @throws KeyNotFoundError, LeaseNotFoundError, FutureRevisionError, CompactedError, TooLargeError */
  *txn(request: TxnRequest): Sliced<Answer<RawTxnResponse>> {
    const { data, bounds } = this.contents;
    return yield* this.apply((write) => runTxn(data, request, write, bounds));
  }

  /** Applies a small transaction at once. @returns undefined if the transaction is not small: then `txn` must be called @throws as `txn` */
  smallTxn(request: TxnRequest): Answer<RawTxnResponse> | undefined {
    const { contents } = this;
    const write = contents.beginWrite(this.checkWritable);
    const response = runSmallTxn(contents.data, request, write, contents.bounds);
    return response && this.makeNewest(contents, write, response);
  }

  /** Creates a lease. @throws LeaseExistsError */
  grantLease(lease: Lease): Revision {
    this.checkWritable();
    this.contents.grantLease(lease);
    return this.contents.revision;
  }

  /** Stores the remaining time of a lease, for the next lease keeper; undefined sets it to the TTL. */
  checkpointLease(id: LeaseId, remainingSeconds: number | undefined): void {
    this.checkWritable();
    this.contents.checkpointLease(id, remainingSeconds);
  }

  /**
   * Deletes a lease and its keys, ascending, all in one revision; a lease without keys makes no revision.
   *
   * @throws LeaseNotFoundError
   */
  *revokeLease(id: LeaseId): Sliced<Revision> {
    this.checkWritable();
    const { revision } = yield* this.apply((write) => write.revoke(id));
    this.contents.removeLease(id);
    return revision;
  }

  /**
   * Makes all older revisions unreadable at once, and starts to remove their changes.
   *
   * @throws CompactedError, FutureRevisionError
   */
  compact(revision: number): Compaction {
    this.checkWritable();
    const whenFinished = this.inUse.whenFinished(this.contents.compact(revision), this.contents);
    whenFinished.catch(() => undefined); // a caller need not await it
    return { whenFinished };
  }

  /** Returns the rows of one of the applier's tables, by key, as last written. The store does not interpret them. */
  table(name: string): ReadonlyMap<Key, Uint8Array> {
    return this.contents.tables.table(name);
  }

  /**
   * Ends a round: all changes since the last one, and `state`, become durable together, within 100 ms. Unchanged rows of tables are not
   * written. After a failed write to disk nothing becomes durable any more; watchers still receive the changes.
   */
  endRound(state: RoundState): void {
    this.contents.endRound(state);
    this.watches.endRound();
  }

  /** Tells whether the changes that are not on disk yet have reached their bound: the applier must wait. */
  get isFull(): boolean {
    return this.contents.writer.isFull;
  }

  /** Calls `callback` once the store is not full any more; never, if a write to disk fails before. */
  callWhenDrained(callback: () => void): void {
    this.contents.writer.callWhenDrained(callback);
  }

  /** Writes all ended rounds to disk. @throws ReadOnlyError if a write to disk failed */
  async flush(): Promise<void> {
    const { contents } = this;
    try {
      await contents.writer.flush();
    } catch (error) {
      if (contents === this.contents) throw error; // else an installed snapshot contains the rounds, and is on disk
    }
  }

  // Snapshots.

  /**
   * Opens a snapshot of all rows on disk, for another member. Writes continue meanwhile.
   *
   * @throws DamagedError, ReadOnlyError; Error if no round was ever written
   */
  snapshot(): StoreSnapshot {
    this.checkOpen();
    const { refusal } = this.contents.writer;
    if (refusal !== undefined) throw refusal;
    return this.contents.snapshot();
  }

  /**
   * Replaces the contents by those of `backend`, a later state of the same store:
   *
   * 1. `backend` is read and checked, in slices, while reads are answered from the old contents.
   * 2. The old backend takes no more writes, and `commit` makes the new one the one that a restart opens.
   * 3. The contents are replaced in one step. Reads under way continue on the old contents; watchers get the changes in between
   *    from the new history.
   *
   * No write may be applied before the result has settled. Both contents are in memory meanwhile; those that an earlier installation
   * replaced are freed first.
   *
   * @param backend the store closes it, also on failure
   * @param commit if it rejects, the old contents stay in use; the caller knows which ones a restart opens
   * @throws DamagedError, StoreVersionError, ClosedError, the error of `commit`; the old contents then stay in use
   */
  install(backend: Backend, commit: () => Promise<void>): Promise<Installed> {
    return this.inUse.install(backend, commit);
  }

  /**
   * Returns a copy of the contents in memory, at once, for a store that is opened on a copy of the present rows; undefined while
   * writes (see `flush`) or a compaction are pending.
   */
  image(): StoreImage | undefined {
    this.checkOpen();
    return this.contents.image();
  }

  // Reads.

  /**
   * Answers a Range at the present revision: at once if one slice suffices, else in slices.
   *
   * @throws CompactedError, FutureRevisionError, TooLargeError, DamagedError
   */
  range(request: RangeRequest): Answer<RawRangeResponse> | Promise<Answer<RawRangeResponse>> {
    this.checkOpen();
    return this.contents.range(request);
  }

  /**
   * Reads the first keys of an interval within bounds: at once if one slice suffices, else in slices.
   *
   * @param revision 0 or less: the newest
   * @throws CompactedError, FutureRevisionError, DamagedError
   */
  rangePart(bounds: PartBounds, revision: bigint): Answer<RangePart> | Promise<Answer<RangePart>> {
    this.checkOpen();
    return this.contents.rangePart(bounds, revision);
  }

  /**
   * Answers a transaction that only reads, at the present revision: at once if one slice suffices, else in slices.
   *
   * @throws CompactedError, FutureRevisionError, TooLargeError, DamagedError
   */
  readTxn(request: TxnRequest): Answer<RawTxnResponse> | Promise<Answer<RawTxnResponse>> {
    this.checkOpen();
    return this.contents.readTxn(request);
  }

  /**
   * Computes etcd's HashKV, in slices.
   *
   * @param revision the last revision to hash; 0: the newest
   * @throws CompactedError, FutureRevisionError, DamagedError
   */
  async hashKv(revision: number): Promise<KvHash> {
    this.checkOpen();
    return this.measureWork("hashKvSeconds", () => this.contents.hashKv(revision));
  }

  /**
   * Hashes all keys with their history, and all leases, in slices. The hash is equal on members that have applied the same entries and
   * compacted at the same revision.
   *
   * @throws DamagedError
   */
  async hash(): Promise<number> {
    this.checkOpen();
    const leases = [...this.leases()]; // at the same revision as the keys
    return this.measureWork("hashSeconds", async () => {
      const { hash } = await this.contents.hashKv(0);
      return this.runInSlices((shouldYield) => hashLeases(leases, hash, shouldYield));
    });
  }

  /** Measures the time of successful work. */
  private async measureWork<T>(histogram: "hashSeconds" | "hashKvSeconds", work: () => Promise<T>): Promise<T> {
    const { clock } = this.options;
    const beganAt = clock.now();
    const result = await work();
    this.stats[histogram].observe((clock.now() - beganAt) / 1_000);
    return result;
  }

  /** Frees the disk space of deleted rows. Reads and writes continue; a call during a run returns the same promise. */
  async defragment(): Promise<void> {
    this.checkOpen();
    return this.contents.defragment();
  }

  /**
   * Starts a watch: `receiver` gets the changes from `startRevision` on, past and future ones, never before this returns and at the
   * latest when their round ends.
   *
   * @param tag identifies the watch among those of its receiver
   * @see etcd v3 API, Watch
   */
  watch<Tag>(options: WatchOptions, receiver: WatchReceiver<Tag>, tag: Tag): Watch {
    this.checkOpen();
    return this.watches.add(options, receiver, tag);
  }

  /** Returns a lease; undefined if it does not exist. */
  lease(id: LeaseId): Lease | undefined {
    return this.contents.data.leases.get(id);
  }

  /** Iterates over all leases, in any order. */
  leases(): Iterable<Lease> {
    return this.contents.data.leases.list();
  }

  /** Returns the number of keys attached to a lease; 0 if the lease does not exist. */
  leaseKeyCount(id: LeaseId): number {
    return this.contents.data.leases.countKeys(id);
  }

  /** Returns the first key attached to a lease at or after `from`; undefined if there is none. A binary search. */
  firstAttachedKey(id: LeaseId, from: Key): Key | undefined {
    return this.contents.data.leases.findKeyFrom(id, from);
  }

  /**
   * Returns the keys attached to a lease, ascending, once no revision is being applied.
   *
   * @throws LeaseNotFoundError
   */
  async leaseKeys(id: LeaseId): Promise<readonly Key[]> {
    this.checkOpen();
    return this.contents.leaseKeys(id);
  }

  /**
   * Runs work of the caller in slices, within the same budget per turn as the store's own work.
   *
   * @param work gets a function to call with the number of entries visited since the last call; when it returns true, the work yields
   */
  runInSlices<T>(work: (shouldYield: ShouldYield) => Sliced<T>): Promise<T> {
    return this.turns.run(work((entries) => this.turns.spend(entries)));
  }

  /** Returns the size of the backend. */
  size(): Promise<BackendSize> {
    return this.contents.size();
  }

  /** Writes all ended rounds, then closes the backend. Work in progress ends with ClosedError. */
  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  private async shutDown(): Promise<void> {
    const watchesEnded = this.watches.close();
    await this.inUse.close(watchesEnded);
  }

  private *apply<T>(change: (write: Write) => Sliced<T>): Sliced<Answer<T>> {
    const { contents } = this; // the same after a pause
    const write = contents.beginWrite(this.checkWritable);
    const work = contents.apply(change, write);
    for (let step = work.next(); ; step = work.next()) {
      if (step.done === true) return this.makeNewest(contents, write, step.value);
      this.watches.sendPending(); // other work runs now: watchers get the earlier writes first
      yield;
    }
  }

  /** Makes the revision of a successful write the newest one, and notes its changes for the watchers. @returns the answer with it */
  private makeNewest<T>(contents: Contents, write: Write, response: T): Answer<T> {
    contents.makeNewest(write);
    if (write.hasChanged) {
      this.changes += write.changeCount;
      this.watches.onChanged(write);
    }
    return { response, revision: contents.revision };
  }

  private readonly checkWritable = (): void => {
    this.checkOpen();
    const { refusal } = this.contents.writer;
    if (refusal !== undefined) throw refusal;
    if (this.inUse.isInstalling) throw new Error("Cannot apply anything while a snapshot is being installed");
  };

  private readonly checkOpen = (): void => {
    if (this.closing !== undefined) throw new ClosedError();
  };
}

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

/** Options of a store. */
export interface StoreOptions extends Pick<ContentsOptions, "backend" | "clock" | "onFailure"> {
  readonly limits?: Partial<StoreLimits>;
}

/**
 * Opens a store and reads all its keys.
 *
 * @throws DamagedError if what is on disk is not what was written
 * @throws StoreVersionError if a newer version wrote it
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
 * Keys with all their past values, since the last compaction. Writes are applied by one caller, in log order, and take
 * effect at once; the same writes give the same store on every member. They reach the disk later, in whole rounds.
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

  /** Marker of the last round on disk when the store was opened, or installed. Undefined: a new store. */
  get marker(): Uint8Array | undefined {
    return this.contents.marker;
  }

  get revision(): Revision {
    return this.contents.revision;
  }

  /** -1: never compacted. */
  get compactRevision(): Revision {
    return this.contents.compactRevision;
  }

  /** The counters of this store. */
  get stats(): StoreStats {
    return this.options.stats;
  }

  /** Number of keys that exist. */
  get keyCount(): number {
    return this.contents.keyCount;
  }

  /** Changes of keys that were applied since the store was opened: how whoever applies knows when to let others run. */
  get appliedChanges(): number {
    return this.changes;
  }

  /** Bytes that were written to disk since the store was opened, about; an installed snapshot counts as a whole. */
  get writtenBytes(): number {
    return this.inUse.writtenBytes;
  }

  // Applied writes: in log order, and with nothing changed if they throw. Those that may change many keys are done in slices;
  // until such a one is done, reads and watchers see nothing of it, and nothing else may be applied, nor a round be ended.

  /** @throws LeaseNotFoundError, KeyNotFoundError, TooLargeError */
  put(request: PutRequest): Answer<RawPutResponse> {
    const { contents } = this;
    const write = contents.beginWrite(this.checkWritable);
    const response = write.put(request); // if it throws, nothing has changed
    return this.count(contents, write, response);
  }

  /** @throws TooLargeError */
  deleteRange(request: DeleteRangeRequest): Sliced<Answer<RawDeleteRangeResponse>> {
    return this.apply((write) => write.deleteRange(request));
  }

  /** @throws KeyNotFoundError, LeaseNotFoundError, FutureRevisionError, CompactedError, TooLargeError */
  *txn(request: TxnRequest): Sliced<Answer<RawTxnResponse>> {
    const { data, bounds } = this.contents;
    return yield* this.apply((write) => runTxn(data, request, write, bounds));
  }

  /** Does the same at once if the transaction is small. Undefined: it is not, and `txn` has to. @throws as `txn` */
  smallTxn(request: TxnRequest): Answer<RawTxnResponse> | undefined {
    const { contents } = this;
    const write = contents.beginWrite(this.checkWritable);
    const response = runSmallTxn(contents.data, request, write, contents.bounds);
    return response && this.count(contents, write, response);
  }

  /** @throws LeaseExistsError */
  grantLease(lease: Lease): Revision {
    this.checkWritable();
    this.contents.grantLease(lease);
    return this.contents.revision;
  }

  /** Notes the time that a lease has left, for whoever decides when it ends; undefined: its TTL. */
  checkpointLease(id: LeaseId, remainingSeconds: number | undefined): void {
    this.checkWritable();
    this.contents.checkpointLease(id, remainingSeconds);
  }

  /**
   * Ends a lease and deletes its keys, ascending, all in one revision; without keys there is none.
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
   * Makes everything older than `revision` unreadable; its removal follows.
   *
   * @throws CompactedError, FutureRevisionError
   */
  compact(revision: number): Compaction {
    this.checkWritable();
    const finished = this.inUse.whenFinished(this.contents.compact(revision), this.contents);
    finished.catch(() => undefined); // whoever is interested awaits it; nobody has to
    return { finished };
  }

  /** The rows of one of the applier's tables, by key, as they were last written. The store does not interpret them. */
  table(name: string): ReadonlyMap<Key, Uint8Array> {
    return this.contents.tables.table(name);
  }

  /**
   * Ends an apply round: everything since the last one, and `state`, become durable together, within 100 ms. Rows of tables
   * that stay as they were are not written. After a failed write to disk this does nothing.
   */
  endRound(state: RoundState): void {
    this.contents.endRound(state);
    this.watches.endRound();
  }

  /** True if so much waits for the disk that the applier should wait, too. */
  get isFull(): boolean {
    return this.contents.writer.isFull;
  }

  /** Calls back once the store is not full any more; never, if a write to disk fails before. */
  whenDrained(callback: () => void): void {
    this.contents.writer.whenDrained(callback);
  }

  /** @throws ReadOnlyError if a write to disk failed */
  async flush(): Promise<void> {
    const { contents } = this;
    try {
      await contents.writer.flush();
    } catch (error) {
      if (contents === this.contents) throw error; // else a snapshot has brought it, and is on disk
    }
  }

  // Snapshots.

  /**
   * All rows that are on disk now, for another member. Writing goes on beside it.
   *
   * @throws DamagedError, ReadOnlyError; Error if no round was ever saved
   */
  snapshot(): StoreSnapshot {
    this.checkOpen();
    const { refusal } = this.contents.writer;
    if (refusal !== undefined) throw refusal;
    return this.contents.snapshot();
  }

  /**
   * Takes over what `backend` holds, which is later than what the store holds and contains it. It is read and checked
   * first, in slices, while reads are answered as before; then `commit` makes it what a restart finds, and from then on
   * the old backend is not written any more; then everything changes in one step. Reads that have begun finish on what
   * was there; watchers are told what they miss from the new history. Until this has settled nothing may be applied.
   * Takes the memory of both for that time, so it waits for reads of what was replaced before.
   *
   * @param backend the store closes it, also if this fails
   * @param commit if it rejects, the old state stays in use here; what a restart finds is for the caller to know
   * @throws DamagedError, StoreVersionError, ClosedError, what `commit` throws; then everything is as before
   */
  install(backend: Backend, commit: () => Promise<void>): Promise<Installed> {
    return this.inUse.install(backend, commit);
  }

  /**
   * Returns a copy of what the store has in memory, at once, for a store that is opened on a copy of its rows, as they are now.
   * Undefined: something is still to be written, as `flush` does, or is being compacted.
   */
  image(): StoreImage | undefined {
    this.checkOpen();
    return this.contents.image();
  }

  // Reads.

  /**
   * Answers from memory at once if it can be done soon, else in slices, at the revision of now.
   *
   * @throws CompactedError, FutureRevisionError, TooLargeError, DamagedError
   */
  range(request: RangeRequest): Answer<RawRangeResponse> | Promise<Answer<RawRangeResponse>> {
    this.checkOpen();
    return this.contents.range(request);
  }

  /**
   * Reads the first keys of an interval within bounds: at once if it can be done soon, else in slices.
   *
   * @param revision 0 or less: the newest
   * @throws CompactedError, FutureRevisionError, DamagedError
   */
  rangePart(bounds: PartBounds, revision: bigint): Answer<RangePart> | Promise<Answer<RangePart>> {
    this.checkOpen();
    return this.contents.rangePart(bounds, revision);
  }

  /**
   * Answers a transaction that only reads: at once if it can be done soon, else in slices, at the revision of now.
   *
   * @throws CompactedError, FutureRevisionError, TooLargeError, DamagedError
   */
  readTxn(request: TxnRequest): Answer<RawTxnResponse> | Promise<Answer<RawTxnResponse>> {
    this.checkOpen();
    return this.contents.readTxn(request);
  }

  /**
   * etcd's HashKV, in slices.
   *
   * @param revision up to here; 0: the newest
   * @throws CompactedError, FutureRevisionError, DamagedError
   */
  async hashKv(revision: number): Promise<KvHash> {
    this.checkOpen();
    return this.measureWork("hashKvSeconds", () => this.contents.hashKv(revision));
  }

  /**
   * Hashes all keys with their history, and all leases, in slices: equal on members that have applied and compacted the same.
   *
   * @throws DamagedError
   */
  async hash(): Promise<number> {
    this.checkOpen();
    const leases = [...this.leases()]; // of the same moment as the keys
    return this.measureWork("hashSeconds", async () => {
      const { hash } = await this.contents.hashKv(0);
      return this.runInSlices((shouldYield) => hashLeases(leases, hash, shouldYield));
    });
  }

  /** Measures the time of work that succeeds. */
  private async measureWork<T>(histogram: "hashSeconds" | "hashKvSeconds", work: () => Promise<T>): Promise<T> {
    const { clock } = this.options;
    const beganAt = clock.now();
    const result = await work();
    this.stats[histogram].observe((clock.now() - beganAt) / 1_000);
    return result;
  }

  /** Gives space on disk back that rows have taken which are gone. Reads and writes go on; a call while one runs joins it. */
  async defragment(): Promise<void> {
    this.checkOpen();
    return this.contents.defragment();
  }

  /**
   * Tells `receiver` of changes from now on, and of past ones from `startRevision` on: never before this has returned. Changes
   * are told when their round ends, or before.
   *
   * @param tag names the watch among all of its receiver
   * @see etcd v3 API, Watch
   */
  watch<Tag>(options: WatchOptions, receiver: WatchReceiver<Tag>, tag: Tag): Watch {
    this.checkOpen();
    return this.watches.add(options, receiver, tag);
  }

  lease(id: LeaseId): Lease | undefined {
    return this.contents.data.leases.get(id);
  }

  /** All leases, in no order that means anything. */
  leases(): Iterable<Lease> {
    return this.contents.data.leases.all();
  }

  /** Number of keys that are attached to a lease; 0 for one that does not exist. */
  leaseKeyCount(id: LeaseId): number {
    return this.contents.data.leases.keyCount(id);
  }

  /** The first key attached to a lease at or after `from`; undefined: there is none. Takes no longer for many keys. */
  firstAttachedKey(id: LeaseId, from: Key): Key | undefined {
    return this.contents.data.leases.firstKeyOf(id, from);
  }

  /**
   * The keys attached to a lease, ascending. A revision that is being applied is waited for.
   *
   * @throws LeaseNotFoundError
   */
  async leaseKeys(id: LeaseId): Promise<readonly Key[]> {
    this.checkOpen();
    return this.contents.leaseKeys(id);
  }

  /**
   * Runs work of the caller's in slices that share turns of the event loop with those of the store.
   *
   * @param work is given who tells it, after each so many keys, whether it is time to yield
   */
  runInSlices<T>(work: (shouldYield: (entries: number) => boolean) => Sliced<T>): Promise<T> {
    return this.turns.run(work((entries) => this.turns.spend(entries)));
  }

  size(): Promise<BackendSize> {
    return this.contents.size();
  }

  /** Writes what was ended, then lets go of everything. Work in progress ends with ClosedError. */
  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  private async shutDown(): Promise<void> {
    const watchesEnded = this.watches.close();
    await this.inUse.close(watchesEnded);
  }

  private *apply<T>(change: (write: Write) => Sliced<T>): Sliced<Answer<T>> {
    const { contents } = this; // also for what comes after a pause
    const write = contents.beginWrite(this.checkWritable);
    const work = contents.apply(change, write);
    for (let step = work.next(); ; step = work.next()) {
      if (step.done === true) return this.count(contents, write, step.value);
      this.watches.tell(); // others run now, and see what was applied before
      yield;
    }
  }

  /** Counts the revision of a write that has succeeded, and notes it for the watchers. @returns the answer with that revision */
  private count<T>(contents: Contents, write: Write, response: T): Answer<T> {
    contents.count(write);
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

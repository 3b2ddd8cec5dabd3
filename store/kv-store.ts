import { counterFromRequest } from "../proto/index.js";
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
import type { Backend, BackendSize } from "./backend.js";
import { pause, type StoreClock } from "./clock.js";
import { Compactor, type Compaction } from "./compaction.js";
import { ClosedError, CompactedError, FutureRevisionError, LeaseExistsError } from "./errors.js";
import { KvHasher, type KvHash } from "./hash-kv.js";
import { keyFromBytes } from "./interval.js";
import { KeyIndex } from "./key-index.js";
import { Leases, type Lease } from "./leases.js";
import { defaultLimits, type StoreLimits } from "./limits.js";
import { Pins } from "./pins.js";
import { isPlainGet, readRange } from "./range.js";
import { recover, type Recovered, type Recovering } from "./recovery.js";
import { nextRevision, type Revision } from "./revision.js";
import type { Sliced } from "./slices.js";
import type { StoreData } from "./store-data.js";
import { runTxn } from "./txn.js";
import { Unflushed } from "./unflushed.js";
import { ValueCache } from "./value-cache.js";
import { Values } from "./values.js";
import { WriteBehind } from "./write-behind.js";
import type { Watch, WatchOptions, WatchReceiver } from "./watch.js";
import { Watches } from "./watches.js";
import { Write } from "./write.js";

export interface StoreOptions {
  /** The store closes it, also if it cannot be opened. */
  readonly backend: Backend;
  readonly clock: StoreClock;
  /** Called once, when a write to disk has failed; the store is read-only from then on. */
  readonly onFailure: (error: Error) => void;
  readonly limits?: Partial<StoreLimits>;
}

/** A response and the store's revision with it, for the response's header, which the caller fills in. */
export interface Answer<T> {
  readonly response: T;
  readonly revision: Revision;
}

/**
 * Opens a store and reads all its keys.
 *
 * @throws DamagedError if what is on disk is not what was written
 * @throws NewerFormatError if a newer version wrote it
 */
export async function openStore(options: StoreOptions): Promise<KvStore> {
  const limits = { ...defaultLimits, ...options.limits };
  const index = new KeyIndex();
  const cache = new ValueCache(limits.cacheBytes);
  const leases = new Leases();
  const recovered = await recoverOrClose(options.backend, { index, cache, leases });
  const unflushed = new Unflushed(nextRevision(recovered.revision));
  const values = new Values(options.backend, unflushed, cache);
  return new KvStore(options, { index, leases, values, cache, unflushed, limits }, recovered);
}

async function recoverOrClose(backend: Backend, empty: Recovering): Promise<Recovered> {
  try {
    return await recover(backend, empty);
  } catch (error) {
    await backend.close();
    throw error;
  }
}

/**
 * Keys with all their past values, since the last compaction. Writes are applied by one caller, in log order, and take
 * effect at once; the same writes give the same store on every member. They reach the disk later, in whole rounds.
 */
export class KvStore {
  /** What the last round on disk was marked with when the store was opened. Undefined: a new store. */
  readonly marker: Uint8Array | undefined;

  private current: Revision;
  private compacted: Revision;
  private closing: Promise<void> | undefined = undefined;
  private readonly backend: Backend;
  private readonly clock: StoreClock;
  private readonly writer: WriteBehind;
  private readonly pins = new Pins();
  private readonly compactor: Compactor;
  private readonly watches: Watches;

  /** Use `openStore`. */
  constructor(
    { backend, clock, onFailure }: StoreOptions,
    private readonly data: StoreData,
    recovered: Recovered,
  ) {
    this.backend = backend;
    this.clock = clock;
    this.marker = recovered.marker;
    this.current = recovered.revision;
    this.compacted = recovered.compactRevision;
    this.writer = new WriteBehind(backend, clock, data, onFailure, recovered.rows);
    this.compactor = new Compactor(data, this.writer, this.pins, clock);
    this.watches = new Watches(data, backend, clock, this);
    if (recovered.unfinishedCompaction !== undefined)
      this.compactor.start(recovered.unfinishedCompaction, Promise.resolve());
  }

  get revision(): Revision {
    return this.current;
  }

  /** -1: never compacted. */
  get compactRevision(): Revision {
    return this.compacted;
  }

  // Applied writes: in log order, and with nothing changed if they throw.

  /** @throws LeaseNotFoundError, KeyNotFoundError */
  put(request: PutRequest): Answer<RawPutResponse> {
    return this.apply((write) => write.put(request));
  }

  deleteRange(request: DeleteRangeRequest): Answer<RawDeleteRangeResponse> {
    return this.apply((write) => write.deleteRange(request));
  }

  /** @throws KeyNotFoundError, LeaseNotFoundError, FutureRevisionError, CompactedError, TooLargeError */
  txn(request: TxnRequest): Answer<RawTxnResponse> {
    const before = { revision: this.current, compactRevision: this.compacted };
    return this.apply((write) => runTxn(this.data, request, write, before));
  }

  /** @throws LeaseExistsError */
  grantLease(lease: Lease): Revision {
    this.checkWritable();
    if (this.data.leases.get(lease.id) !== undefined) throw new LeaseExistsError(lease.id);
    this.data.leases.add(lease);
    this.writer.leaseChanged(lease.id, lease);
    return this.current;
  }

  /**
   * Ends a lease and deletes its keys, ascending, all in one revision; without keys there is none.
   *
   * @throws LeaseNotFoundError
   */
  revokeLease(id: bigint): Revision {
    this.checkWritable();
    const { revision } = this.apply((write) => write.revoke(id));
    this.data.leases.remove(id);
    this.writer.leaseChanged(id, undefined);
    return revision;
  }

  /**
   * From now on nothing older than `revision` can be read; its removal follows.
   *
   * @throws CompactedError, FutureRevisionError
   */
  compact(revision: number): Compaction {
    this.checkWritable();
    if (revision <= this.compacted) throw new CompactedError(revision, this.compacted);
    if (revision > this.current) throw new FutureRevisionError(revision, this.current);
    this.compacted = revision as Revision;
    return this.compactor.start(this.compacted, this.writer.schedule(this.compacted));
  }

  /**
   * Ends an apply round: everything since the last one, and `marker`, become durable together, within 100 ms. After a
   * failed write to disk this does nothing.
   */
  endRound(marker: Uint8Array): void {
    this.writer.endRound(this.current, marker);
  }

  /** So much waits for the disk that whoever applies should wait, too. */
  get full(): boolean {
    return this.writer.full;
  }

  /** Calls back once the store is not full any more; never, if a write to disk fails before. */
  whenDrained(callback: () => void): void {
    this.writer.whenDrained(callback);
  }

  /** @throws ReadOnlyError if a write to disk failed */
  flush(): Promise<void> {
    return this.writer.flush();
  }

  // Reads.

  /**
   * Answers from memory at once if it can be done soon, else in slices, at the revision of now.
   *
   * @throws CompactedError, FutureRevisionError, TooLargeError, DamagedError
   */
  range(request: RangeRequest): Answer<RawRangeResponse> | Promise<Answer<RawRangeResponse>> {
    this.checkOpen();
    const at = this.readableRevision(request.revision);
    if (isPlainGet(request) && at === this.current) return this.answer(this.plainGet(request));
    const work = readRange(this.data, request, at);
    const first = work.next();
    return first.done === true ? this.answer(first.value) : this.goOn(work, at);
  }

  /**
   * etcd's HashKV, in slices.
   *
   * @param revision up to here; 0: the newest
   * @throws CompactedError, FutureRevisionError, DamagedError
   */
  async hashKv(revision: number): Promise<KvHash> {
    this.checkOpen();
    if (revision > 0 && revision < this.compacted) throw new CompactedError(revision, this.compacted);
    if (revision > this.current) throw new FutureRevisionError(revision, this.current);
    const at = revision === 0 ? this.current : (revision as Revision);
    const pin = this.pins.hold(this.compacted);
    try {
      return await new KvHasher(this.data, at, this.compacted).run(this.backend, this.clock);
    } catch (error) {
      throw this.closing === undefined ? error : new ClosedError({ cause: error });
    } finally {
      this.pins.release(pin);
    }
  }

  /**
   * Tells `receiver` of changes from now on, and of past ones from `startRevision` on: never before this has returned.
   *
   * @see etcd v3 API, Watch
   */
  watch(options: WatchOptions, receiver: WatchReceiver): Watch {
    this.checkOpen();
    return this.watches.add(options, receiver);
  }

  lease(id: bigint): Lease | undefined {
    return this.data.leases.get(id);
  }

  /** All leases, in no order that means anything. */
  leases(): Iterable<Lease> {
    return this.data.leases.all();
  }

  /** How many keys are attached to a lease; 0 for one that does not exist. */
  leaseKeyCount(id: bigint): number {
    return this.data.leases.keyCount(id);
  }

  /**
   * The keys attached to a lease, ascending.
   *
   * @throws LeaseNotFoundError
   */
  leaseKeys(id: bigint): Uint8Array[] {
    return this.data.leases.keysOf(id).map((key) => Buffer.from(key, "latin1"));
  }

  size(): Promise<BackendSize> {
    return this.backend.size();
  }

  /** Writes what was ended, then lets go of everything. Work in progress ends with ClosedError. */
  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  private async shutDown(): Promise<void> {
    this.compactor.stop();
    const watchesEnded = this.watches.close();
    try {
      await this.writer.close();
    } finally {
      await watchesEnded;
      await this.compactor.ended();
      await this.backend.close();
    }
  }

  private apply<T>(change: (write: Write) => T): Answer<T> {
    const write = new Write(this.data, nextRevision(this.current), this.checkWritable);
    let response: T;
    try {
      response = change(write);
    } catch (error) {
      write.undo();
      throw error;
    }
    if (write.hasChanged) {
      this.current = write.revision;
      this.writer.applied(write.changes);
      this.watches.changed(this.current, write.changes);
    }
    return this.answer(response);
  }

  private answer<T>(response: T): Answer<T> {
    return { response, revision: this.current };
  }

  private readonly checkWritable = (): void => {
    this.checkOpen();
    if (this.writer.refusal !== undefined) throw this.writer.refusal;
  };

  private checkOpen(): void {
    if (this.closing !== undefined) throw new ClosedError();
  }

  private readableRevision(asked: bigint): number {
    if (asked <= 0n) return this.current;
    const revision = counterFromRequest(asked);
    if (revision > this.current) throw new FutureRevisionError(revision, this.current);
    if (revision < this.compacted) throw new CompactedError(revision, this.compacted);
    return revision;
  }

  private plainGet(request: RangeRequest): RawRangeResponse {
    const entry = this.data.index.live(keyFromBytes(request.key));
    if (entry === undefined) return { header: undefined, kvs: [], more: false, count: 0n };
    return { header: undefined, kvs: [this.data.values.newest(entry)], more: false, count: 1n };
  }

  private async goOn(work: Sliced<RawRangeResponse>, at: number): Promise<Answer<RawRangeResponse>> {
    const revision = this.current;
    const pin = this.pins.hold(at);
    try {
      for (;;) {
        await pause(this.clock);
        this.checkOpen();
        const step = work.next();
        if (step.done === true) return { response: step.value, revision };
      }
    } finally {
      this.pins.release(pin);
    }
  }
}

import type { RangeRequest, RawRangeResponse } from "../proto/index.js";
import { counterFromRequest } from "../proto/index.js";
import type { Backend, BackendSize } from "./backend.js";
import { pause, type StoreClock } from "./clock.js";
import { Compactor, type Compaction } from "./compaction.js";
import { ClosedError, CompactedError, FutureRevisionError, LeaseExistsError } from "./errors.js";
import { KvHasher, type KvHash } from "./hash-kv.js";
import { keyFromBytes } from "./interval.js";
import { KeyIndex } from "./key-index.js";
import { Leases, type Lease } from "./leases.js";
import type { StoreLimits } from "./limits.js";
import { onlyOpen, Pins } from "./pins.js";
import { isPlainGet, readRange } from "./range.js";
import { recover, type Recovered } from "./recovery.js";
import { nextRevision, type Revision } from "./revision.js";
import type { Sliced } from "./slices.js";
import { snapshotOf, type StoreSnapshot } from "./snapshot.js";
import type { StoreData } from "./store-data.js";
import { Unflushed } from "./unflushed.js";
import { ValueCache } from "./value-cache.js";
import { Values } from "./values.js";
import type { Pace } from "./visit-rows.js";
import { WatchHistory } from "./watch-history.js";
import { Write } from "./write.js";
import { WriteBehind } from "./write-behind.js";

/** A response and the store's revision with it, for the response's header, which the caller fills in. */
export interface Answer<T> {
  readonly response: T;
  readonly revision: Revision;
}

export interface ContentsOptions {
  /** Closed with the contents, also if they cannot be read. */
  readonly backend: Backend;
  readonly clock: StoreClock;
  /** Called once, when a write to disk has failed. */
  readonly onFailure: (error: Error) => void;
  readonly limits: StoreLimits;
}

/**
 * Reads what a backend holds, in slices.
 *
 * @throws DamagedError, NewerFormatError
 */
export async function openContents(options: ContentsOptions, pace: Pace): Promise<Contents> {
  const { backend, limits } = options;
  const index = new KeyIndex();
  const cache = new ValueCache(limits.cacheBytes);
  const leases = new Leases();
  try {
    const recovered = await recover(backend, { index, cache, leases }, pace);
    const unflushed = new Unflushed(nextRevision(recovered.revision));
    const values = new Values(backend, unflushed, cache);
    return new Contents(options, { index, leases, values, cache, unflushed, limits }, recovered);
  } catch (error) {
    await backend.close();
    throw error;
  }
}

/**
 * What a store holds, and all that hangs on where it is kept: index, leases, what is still to be written, compactions,
 * reads. A snapshot that is installed brings its own, and these retire.
 */
export class Contents {
  /** What the last round on disk was marked with when this was opened. Undefined: there was none. */
  readonly marker: Uint8Array | undefined;
  readonly writer: WriteBehind;
  readonly history: WatchHistory;

  private current: Revision;
  private compacted: Revision;
  private readonly backend: Backend;
  private readonly clock: StoreClock;
  private readonly pins = new Pins();
  private readonly compactor: Compactor;
  private readonly unfinished: Revision | undefined;
  private readonly snapshots = new Set<StoreSnapshot>();
  private retiring: Promise<void> | undefined = undefined;
  private closing: Promise<void> | undefined = undefined;

  /** Use `openContents`. */
  constructor(
    { backend, clock, onFailure }: ContentsOptions,
    readonly data: StoreData,
    recovered: Recovered,
  ) {
    this.backend = backend;
    this.clock = clock;
    this.marker = recovered.marker;
    this.current = recovered.revision;
    this.compacted = recovered.compactRevision;
    this.unfinished = recovered.unfinishedCompaction;
    this.writer = new WriteBehind(backend, clock, data, onFailure, recovered.rows);
    this.compactor = new Compactor(data, this.writer, this.pins, clock);
    this.history = new WatchHistory(data, backend);
  }

  /** From now on these are what the store holds: a compaction that was interrupted goes on. */
  start(): void {
    if (this.unfinished !== undefined) this.compactor.start(this.unfinished, Promise.resolve());
  }

  get revision(): Revision {
    return this.current;
  }

  /** -1: never compacted. */
  get compactRevision(): Revision {
    return this.compacted;
  }

  /**
   * Applies changes of one revision; if `change` throws, nothing has changed.
   *
   * @param checkWritable throws if nothing may be changed
   */
  apply<T>(change: (write: Write) => T, checkWritable: () => void): { readonly response: T; readonly write: Write } {
    const write = new Write(this.data, nextRevision(this.current), checkWritable);
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
    }
    return { response, write };
  }

  /** @throws LeaseExistsError */
  grantLease(lease: Lease): void {
    if (this.data.leases.get(lease.id) !== undefined) throw new LeaseExistsError(lease.id);
    this.data.leases.add(lease);
    this.writer.leaseChanged(lease.id, lease);
  }

  /** The keys of a lease were deleted: it goes, too. */
  removeLease(id: bigint): void {
    this.data.leases.remove(id);
    this.writer.leaseChanged(id, undefined);
  }

  /** @throws CompactedError, FutureRevisionError */
  compact(revision: number): Compaction {
    if (revision <= this.compacted) throw new CompactedError(revision, this.compacted);
    if (revision > this.current) throw new FutureRevisionError(revision, this.current);
    this.compacted = revision as Revision;
    return this.compactor.start(this.compacted, this.writer.schedule(this.compacted));
  }

  /** The newest compaction; its end is that of all before it. */
  get newestCompaction(): Compaction {
    return this.compactor.newest;
  }

  /** Ends a round: everything up to now becomes durable together with `marker`. */
  endRound(marker: Uint8Array): void {
    this.writer.endRound(this.current, marker);
  }

  /** @throws CompactedError, FutureRevisionError, TooLargeError, DamagedError */
  range(request: RangeRequest): Answer<RawRangeResponse> | Promise<Answer<RawRangeResponse>> {
    const at = this.readableRevision(request.revision);
    if (isPlainGet(request) && at === this.current) return { response: this.plainGet(request), revision: this.current };
    const work = readRange(this.data, request, at);
    const first = work.next();
    return first.done === true ? { response: first.value, revision: this.current } : this.goOn(work, at);
  }

  /** @throws CompactedError, FutureRevisionError, DamagedError */
  async hashKv(revision: number): Promise<KvHash> {
    if (revision > 0 && revision < this.compacted) throw new CompactedError(revision, this.compacted);
    if (revision > this.current) throw new FutureRevisionError(revision, this.current);
    const at = revision === 0 ? this.current : (revision as Revision);
    const hasher = new KvHasher(this.data, at, this.compacted);
    return this.pinned(this.compacted, () => hasher.run(this.backend, this.clock));
  }

  /** Reads what no compaction can take away; the backend stays open meanwhile. */
  reading<T>(read: () => Promise<T>): Promise<T> {
    return this.pinned(onlyOpen, read);
  }

  /** @throws DamagedError */
  snapshot(): StoreSnapshot {
    const snapshot = snapshotOf(this.backend, (closed) => this.snapshots.delete(closed));
    this.snapshots.add(snapshot);
    return snapshot;
  }

  size(): Promise<BackendSize> {
    return this.backend.size();
  }

  /**
   * Others have taken the place of these: nothing is written any more, reads that have begun finish, then the backend
   * is closed. Snapshots end at once.
   */
  retire(): Promise<void> {
    this.retiring ??= this.finish();
    return this.retiring;
  }

  /** Writes what was ended, then lets go of everything. Reads in progress end with ClosedError. */
  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  private async finish(): Promise<void> {
    this.compactor.stop();
    this.writer.discard();
    await Promise.all(Array.from(this.snapshots, (snapshot) => snapshot.close()));
    await this.pins.allReleased();
    await this.close();
  }

  private async shutDown(): Promise<void> {
    this.compactor.stop();
    try {
      await this.writer.close();
    } finally {
      await this.compactor.ended();
      await Promise.all(Array.from(this.snapshots, (snapshot) => snapshot.close()));
      await this.backend.close();
    }
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

  private goOn(work: Sliced<RawRangeResponse>, at: number): Promise<Answer<RawRangeResponse>> {
    const revision = this.current;
    return this.pinned(at, async () => {
      for (;;) {
        await pause(this.clock);
        if (this.closing !== undefined) throw new ClosedError();
        const step = work.next();
        if (step.done === true) return { response: step.value, revision };
      }
    });
  }

  /** Keeps what `read` needs from revision `at` on while it runs. */
  private async pinned<T>(at: number, read: () => Promise<T>): Promise<T> {
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

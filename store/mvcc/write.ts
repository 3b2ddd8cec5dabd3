import type { DeleteRangeRequest, PutRequest, RawDeleteRangeResponse, RawPutResponse } from "../../proto/index.js";
import {
  AnswerSize,
  intervalOf,
  type Key,
  keyFromBytes,
  KeyNotFoundError,
  type LeaseId,
  leaseIdFrom,
  noLease,
  type Revision,
  type Sliced,
} from "../base/index.js";
import type { KeyEntry } from "./key-index.js";
import { isTombstone, type KeyState, keyValueSize, noBytes, tombstoneOf, valueOf, writeKeyValue } from "./key-value.js";
import type { StoreData } from "./store-data.js";
import { Changes } from "./unflushed.js";
import type { ValueChunk, ValuePlace } from "./value-chunk.js";

/**
 * The changes of one revision while they are made. Its own reads see them at once; all others read at an earlier revision
 * until the store counts this one, and until then `undo` takes them back. What is gathered here is also what watchers are to
 * be told of the revision.
 */
export class Write {
  /** The approximate bytes that the changes take in memory until they are on disk, beside a fixed cost for each. */
  bytes = 0;
  private made: Changes | undefined = undefined;
  // The value that the first change replaced. Most writes are a single put: a list is made with the second change.
  private replacedChunk: ValueChunk<KeyEntry> | undefined = undefined;
  private replacedStart = 0;
  private replacedLength = 0;
  /** The values that the other changes replaced; undefined: not in memory, or of this revision. */
  private replacedByOthers: (ValuePlace<KeyEntry> | undefined)[] | undefined = undefined;
  /** The state of all keys that the write deletes. */
  private deleted: KeyState | undefined = undefined;
  private size: AnswerSize | undefined = undefined;

  /**
   * @param revision the one that the first change takes
   * @param checkWritable throws if nothing may be changed
   * @param ownShouldYield see `shouldYield`; absent: the limits of an applied write decide
   */
  constructor(
    private readonly data: StoreData,
    readonly revision: Revision,
    private readonly checkWritable: () => void,
    private ownShouldYield?: ShouldYield,
  ) {}

  /** The changes; undefined: there is none. */
  get changes(): Changes | undefined {
    return this.made;
  }

  /** Number of changes. */
  get changeCount(): number {
    return this.made?.length ?? 0;
  }

  get hasChanged(): boolean {
    return this.made !== undefined;
  }

  /**
   * The value that a change replaced, if it was in memory and is of an earlier revision: no read of the disk is needed. Only of so
   * many changes as watchers are told of at once.
   */
  replacedValueOf(sub: number): Uint8Array | undefined {
    if (sub === 0)
      return this.replacedChunk?.memory.subarray(this.replacedStart, this.replacedStart + this.replacedLength);
    const place = this.replacedByOthers?.[sub - 1];
    return place?.chunk.memory.subarray(place.start, place.start + place.length);
  }

  /** Size of the response to the write. */
  get answerSize(): AnswerSize {
    return (this.size ??= new AnswerSize(this.data.limits.responseBytes));
  }

  /** Whether it is time to let others run. */
  get shouldYield(): ShouldYield {
    return (this.ownShouldYield ??= createShouldYield(this.data));
  }

  /** @throws LeaseNotFoundError, KeyNotFoundError, in that order, TooLargeError; nothing has changed then */
  put(request: PutRequest): RawPutResponse {
    this.data.leases.check(leaseIdFrom(request.lease));
    const { index } = this.data;
    const recent = index.findRecent(request.key);
    const key = recent?.key ?? keyFromBytes(request.key);
    const entry = recent ?? index.get(key);
    const live = entry === undefined || isTombstone(entry.newest) ? undefined : entry;
    if (live === undefined && (request.ignoreValue || request.ignoreLease)) throw new KeyNotFoundError(key);
    const wantsPrevious = request.prevKv || request.ignoreValue;
    const previous = live !== undefined && wantsPrevious ? this.data.values.readNewest(live) : noBytes;
    if (request.prevKv) this.answerSize.add(previous);
    const before = live?.newest;
    const state = {
      mod: this.revision,
      sub: this.changeCount,
      create: before?.create ?? this.revision,
      version: (before?.version ?? 0) + 1,
      lease: before !== undefined && request.ignoreLease ? before.lease : leaseIdFrom(request.lease),
    };
    const value = request.ignoreValue ? valueOf(previous) : request.value;
    const { cache, stats } = this.data;
    const size = keyValueSize(key, state, value);
    const chunk = cache.take(size);
    writeKeyValue(chunk.memory, chunk.taken, key, state, value);
    const changed = this.record(key, entry, state, chunk, size);
    cache.hold(changed, size);
    if (recent === undefined) index.remember(changed);
    stats.puts++;
    stats.putBytes += request.key.length + request.value.length;
    return { header: undefined, prevKv: request.prevKv ? previous : noBytes };
  }

  /** Deletes keys in slices. @throws TooLargeError; nothing has changed then */
  *deleteRange(request: DeleteRangeRequest): Sliced<RawDeleteRangeResponse> {
    this.data.stats.deletes++;
    const entries = yield* this.findLiveEntries(request);
    const prevKvs: Uint8Array[] = [];
    for (const entry of request.prevKv ? entries : []) {
      prevKvs.push(this.readForAnswer(entry));
      if (this.shouldYield(1)) yield;
    }
    for (const entry of entries) {
      this.delete(entry.key, entry);
      if (this.shouldYield(1)) yield;
    }
    return { header: undefined, deleted: BigInt(entries.length), prevKvs };
  }

  /** Deletes the keys of a lease, ascending; in slices. @throws LeaseNotFoundError */
  *revoke(lease: LeaseId): Sliced<void> {
    const keys = this.data.leases.listKeys(lease);
    const { stats } = this.data;
    stats.deletes += keys.length; // etcd deletes them one by one
    if (keys.length > 1) stats.txns++;
    for (const key of keys) {
      this.delete(key, this.data.index.get(key));
      if (this.shouldYield(1)) yield;
    }
  }

  /** Takes everything back; in slices. */
  *undo(): Sliced<void> {
    const { made } = this;
    if (made === undefined) return;
    for (let sub = made.length - 1; sub >= 0; sub--) {
      const entry = made.entryOf(sub);
      const before = made.stateBefore(sub);
      this.data.leases.move(entry.key, { from: entry.newest.lease, to: before?.lease ?? noLease });
      this.data.index.takeBack(entry, before);
      this.data.cache.drop(entry);
      if (this.shouldYield(1)) yield;
    }
    this.data.unflushed.pop();
    this.made = this.replacedByOthers = this.replacedChunk = undefined;
  }

  private readForAnswer(entry: KeyEntry): Uint8Array {
    const keyValue = this.data.values.readNewest(entry);
    this.answerSize.add(keyValue);
    return keyValue;
  }

  private *findLiveEntries(request: DeleteRangeRequest): Sliced<readonly KeyEntry[]> {
    if (request.rangeEnd.length === 0) {
      const entry = this.data.index.findLive(keyFromBytes(request.key));
      return entry === undefined ? [] : [entry];
    }
    const entries: KeyEntry[] = [];
    yield* this.data.index.walkSliced(intervalOf(request), this.shouldYield, (entry) => {
      if (!isTombstone(entry.newest)) entries.push(entry);
      return true;
    });
    return entries;
  }

  private delete(key: Key, known: KeyEntry | undefined): void {
    this.deleted ??= tombstoneOf(this.revision);
    this.data.cache.drop(this.record(key, known, this.deleted, undefined, 0));
  }

  /** @param chunk of a put: where its KeyValue was written last, in `size` bytes. @returns the entry of the key from now on */
  private record(
    key: Key,
    known: KeyEntry | undefined,
    state: KeyState,
    chunk: ValueChunk<KeyEntry> | undefined,
    size: number,
  ): KeyEntry {
    this.checkWritable();
    const { index, leases, unflushed, limits } = this.data;
    const before = known?.newest;
    const replacedChunk = before?.mod === this.revision ? undefined : known?.chunk;
    const replacedStart = known?.start ?? 0;
    const replacedLength = known?.length ?? 0;
    const entry = index.advance(key, known, state, this.changeCount);
    const from = before?.lease ?? noLease;
    if (from !== state.lease) leases.move(key, { from, to: state.lease });
    this.bytes += chunk === undefined ? key.length : size;
    if (this.made === undefined) {
      this.made = new Changes(this.revision, entry, before, chunk, chunk?.taken ?? 0, size);
      this.replacedChunk = replacedChunk;
      this.replacedStart = replacedStart;
      this.replacedLength = replacedLength;
      unflushed.push(this.made); // it may still grow
    } else {
      this.made.add(entry, before, chunk && { chunk, start: chunk.taken, length: size });
      this.replacedByOthers ??= [];
      if (this.replacedByOthers.length + 1 < limits.changesToldAtOnce)
        this.replacedByOthers.push(
          replacedChunk && { chunk: replacedChunk, start: replacedStart, length: replacedLength },
        );
    }
    return entry;
  }
}

/** Told how many keys were visited or changed since it was asked last; true: others are to run. */
type ShouldYield = (keys: number) => boolean;

function createShouldYield({ values, limits }: StoreData): ShouldYield {
  let work = 0;
  let readsBefore = values.diskReads;
  return (keys) => {
    work += keys;
    if (work < limits.changesPerSlice && values.diskReads - readsBefore < limits.diskReadsPerSlice) return false;
    work = 0;
    readsBefore = values.diskReads;
    return true;
  };
}

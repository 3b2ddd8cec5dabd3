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
  type ShouldYield,
} from "../base/index.js";
import type { KeyEntry } from "./key-index.js";
import {
  isTombstone,
  type KeyState,
  keyValueSizeOf,
  noBytes,
  tombstoneOf,
  valueOf,
  writeKeyValue,
} from "./key-value.js";
import type { StoreData } from "./store-data.js";
import { Changes } from "./unflushed.js";
import type { ValueChunk, ValuePlace } from "./value-chunk.js";

/**
 * The changes of one revision while they are applied. Reads of the same transaction see the changes. All other reads use an earlier
 * revision until the store sets its revision to this one; until then `undo` can remove the changes. The watchers get their events of
 * the revision from here.
 */
export class Write {
  /** The approximate bytes of the changes in memory until they are on disk, without a fixed cost for each change. */
  bytes = 0;
  private made: Changes | undefined = undefined;
  // The place of the value that the first change replaced. Most writes are a single put, so only the second change creates a list.
  private replacedChunk: ValueChunk<KeyEntry> | undefined = undefined;
  private replacedStart = 0;
  private replacedLength = 0;
  /** The places of the values that the other changes replaced; an item is undefined if the value is not in memory, or is of this revision. */
  private replacedByOthers: (ValuePlace<KeyEntry> | undefined)[] | undefined = undefined;
  /** The state that all keys deleted by this write share. */
  private deleted: KeyState | undefined = undefined;
  private size: AnswerSize | undefined = undefined;

  /**
   * @param revision the revision of the changes, if there are any
   * @param checkWritable throws if the store must not be changed; called before each change
   * @param ownShouldYield see `shouldYield`; absent: the limits for applied writes decide
   */
  constructor(
    private readonly data: StoreData,
    readonly revision: Revision,
    private readonly checkWritable: () => void,
    private ownShouldYield?: ShouldYield,
  ) {}

  /** The changes; undefined: there are none. */
  get changes(): Changes | undefined {
    return this.made;
  }

  /** The number of changes. */
  get changeCount(): number {
    return this.made?.length ?? 0;
  }

  get hasChanged(): boolean {
    return this.made !== undefined;
  }

  /**
   * Returns the encoded KeyValue that a change replaced, if it was in memory and is of an earlier revision, so that events for watchers
   * need no read from disk. Known only for the first `changesSentAtOnce` changes.
   */
  replacedValueOf(sub: number): Uint8Array | undefined {
    if (sub === 0)
      return this.replacedChunk?.memory.subarray(this.replacedStart, this.replacedStart + this.replacedLength);
    const place = this.replacedByOthers?.[sub - 1];
    return place?.chunk.memory.subarray(place.start, place.start + place.length);
  }

  /** The size of the response to the write. */
  get answerSize(): AnswerSize {
    return (this.size ??= new AnswerSize(this.data.limits.responseBytes));
  }

  /** The function that tells whether to yield to other work. */
  get shouldYield(): ShouldYield {
    return (this.ownShouldYield ??= createShouldYield(this.data));
  }

  /** Puts a key. @throws LeaseNotFoundError, KeyNotFoundError (checked in this order), TooLargeError; then nothing has changed */
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
    const size = keyValueSizeOf(key, state, value);
    const chunk = cache.reserveBytes(size);
    writeKeyValue(chunk.memory, chunk.taken, key, state, value);
    const changed = this.record(key, entry, state, chunk, size);
    cache.hold(changed, size);
    if (recent === undefined) index.remember(changed);
    stats.puts++;
    stats.putBytes += request.key.length + request.value.length;
    return { header: undefined, prevKv: request.prevKv ? previous : noBytes };
  }

  /** Deletes keys in slices. @throws TooLargeError; then nothing has changed */
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

  /** Deletes the keys of a lease in key order, in slices. @throws LeaseNotFoundError */
  *revoke(lease: LeaseId): Sliced<void> {
    const keys = this.data.leases.listKeys(lease);
    const { stats } = this.data;
    stats.deletes += keys.length; // etcd, too, counts a delete for each key
    if (keys.length > 1) stats.txns++;
    for (const key of keys) {
      this.delete(key, this.data.index.get(key));
      if (this.shouldYield(1)) yield;
    }
  }

  /** Removes all changes, newest first, in slices. */
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

  /**
   * Adds a change to the index, the leases and the unflushed changes.
   *
   * @param chunk for a put: the chunk with its KeyValue of `size` bytes at `taken`; undefined: the change is a delete
   * @returns the entry of the key after the change
   */
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
      unflushed.push(this.made); // further changes of this revision are added later
    } else {
      this.made.add(entry, before, chunk && { chunk, start: chunk.taken, length: size });
      this.replacedByOthers ??= [];
      if (this.replacedByOthers.length + 1 < limits.changesSentAtOnce)
        this.replacedByOthers.push(
          replacedChunk && { chunk: replacedChunk, start: replacedStart, length: replacedLength },
        );
    }
    return entry;
  }
}

/** Creates the function that tells when the keys, or the reads from disk, since the last slice reach the limits for applied writes. */
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

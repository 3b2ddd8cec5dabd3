import type { DeleteRangeRequest, PutRequest, RawDeleteRangeResponse, RawPutResponse } from "../../proto/index.js";
import {
  AnswerSize,
  compareKeys,
  intervalOf,
  type Key,
  keyFromBytes,
  KeyNotFoundError,
  type LeaseId,
  leaseIdFrom,
  noLease,
  type Revision,
  type Sliced,
  slicedSort,
} from "../base/index.js";
import type { KeyEntry } from "./key-index.js";
import { deletedState, encodeKeyValue, isTombstone, noBytes, valueOf, type KeyState } from "./key-value.js";
import { checksumSize } from "../disk/index.js";
import type { StoreData } from "./store-data.js";
import { Change } from "./unflushed.js";

/**
 * The changes of one revision while they are made. Its own reads see them at once; all others read at an earlier revision
 * until the store counts this one, and until then `undo` takes them back. What is gathered here is also what watchers are to
 * be told of the revision.
 */
export class Write {
  readonly changes: Change[] = [];
  /** The value that each change replaced, if it was in memory and is of an earlier revision: no read of the disk is needed. */
  readonly replaced: (Uint8Array | undefined)[] = [];
  /** The approximate bytes that the changes take in memory until they are on disk, beside a fixed cost for each. */
  bytes = 0;
  private size: AnswerSize | undefined = undefined;
  /** Keys visited or changed since others ran. */
  private work = 0;
  private readsBefore: number;

  /**
   * @param revision the one that the first change takes
   * @param checkWritable throws if nothing may be changed
   * @param isTired told how many keys were visited or changed since it was asked last; true: others are to run
   */
  constructor(
    private readonly data: StoreData,
    readonly revision: Revision,
    private readonly checkWritable: () => void,
    isTired?: (keys: number) => boolean,
  ) {
    this.readsBefore = data.values.diskReads;
    if (isTired !== undefined) this.isTired = isTired;
  }

  get hasChanged(): boolean {
    return this.changes.length > 0;
  }

  /** Size of the response to the write. */
  get answerSize(): AnswerSize {
    return (this.size ??= new AnswerSize(this.data.limits.responseBytes));
  }

  /** Whether it is time to let others run. @param keys visited or changed since this was asked last */
  readonly isTired = (keys: number): boolean => {
    const { values, limits } = this.data;
    this.work += keys;
    if (this.work < limits.changesPerSlice && values.diskReads - this.readsBefore < limits.diskReadsPerSlice)
      return false;
    this.work = 0;
    this.readsBefore = values.diskReads;
    return true;
  };

  /** @throws LeaseNotFoundError, KeyNotFoundError, in that order, TooLargeError; nothing has changed then */
  put(request: PutRequest): RawPutResponse {
    this.data.leases.check(leaseIdFrom(request.lease));
    const key = keyFromBytes(request.key);
    const entry = this.data.index.get(key);
    const live = entry === undefined || isTombstone(entry.newest) ? undefined : entry;
    if (live === undefined && (request.ignoreValue || request.ignoreLease)) throw new KeyNotFoundError(key);
    const wantsPrevious = request.prevKv || request.ignoreValue;
    const previous = live !== undefined && wantsPrevious ? this.data.values.newest(live) : noBytes;
    if (request.prevKv) this.answerSize.add(previous);
    const before = live?.newest;
    const state = {
      mod: this.revision,
      sub: this.changes.length,
      create: before?.create ?? this.revision,
      version: (before?.version ?? 0) + 1,
      lease: before !== undefined && request.ignoreLease ? before.lease : leaseIdFrom(request.lease),
    };
    const value = request.ignoreValue ? valueOf(previous) : request.value;
    const change = this.record(key, entry, state, encodeKeyValue(key, state, value, checksumSize));
    this.data.cache.hold(change.entry, change.keyValue);
    return { header: undefined, prevKv: request.prevKv ? previous : noBytes };
  }

  /** Deletes keys in slices. @throws TooLargeError; nothing has changed then */
  *deleteRange(request: DeleteRangeRequest): Sliced<RawDeleteRangeResponse> {
    const entries = yield* this.liveEntries(request);
    const prevKvs: Uint8Array[] = [];
    for (const entry of request.prevKv ? entries : []) {
      prevKvs.push(this.answered(entry));
      if (this.isTired(1)) yield;
    }
    for (const entry of entries) {
      this.delete(entry.key, entry);
      if (this.isTired(1)) yield;
    }
    return { header: undefined, deleted: BigInt(entries.length), prevKvs };
  }

  /** Deletes the keys of a lease, ascending; in slices. @throws LeaseNotFoundError */
  *revoke(lease: LeaseId): Sliced<void> {
    const keys = this.data.leases.keysAttached(lease);
    for (const key of yield* slicedSort(keys, compareKeys, this.isTired)) {
      this.delete(key, this.data.index.get(key));
      if (this.isTired(1)) yield;
    }
  }

  /** Takes everything back; in slices. */
  *undo(): Sliced<void> {
    if (!this.hasChanged) return;
    for (const { entry, state, before } of this.changes.reverse()) {
      this.data.leases.move(entry.key, { from: state.lease, to: before?.lease ?? noLease });
      this.data.index.takeBack(entry, before);
      this.data.cache.drop(entry);
      if (this.isTired(1)) yield;
    }
    this.data.unflushed.pop();
    this.changes.length = this.replaced.length = 0;
  }

  private answered(entry: KeyEntry): Uint8Array {
    const keyValue = this.data.values.newest(entry);
    this.answerSize.add(keyValue);
    return keyValue;
  }

  private *liveEntries(request: DeleteRangeRequest): Sliced<readonly KeyEntry[]> {
    if (request.rangeEnd.length === 0) {
      const entry = this.data.index.live(keyFromBytes(request.key));
      return entry === undefined ? [] : [entry];
    }
    const entries: KeyEntry[] = [];
    yield* this.data.index.walkSliced(intervalOf(request), this.isTired, (entry) => {
      if (!isTombstone(entry.newest)) entries.push(entry);
      return true;
    });
    return entries;
  }

  private delete(key: Key, known: KeyEntry | undefined): void {
    const change = this.record(key, known, deletedState(this.revision, this.changes.length), undefined);
    this.data.cache.drop(change.entry);
  }

  private record(key: Key, known: KeyEntry | undefined, state: KeyState, row: Uint8Array | undefined): Change {
    this.checkWritable();
    const { index, leases, unflushed } = this.data;
    const before = known?.newest;
    this.replaced.push(before?.mod === this.revision ? undefined : known?.value);
    const entry = index.advance(key, known, state);
    leases.move(key, { from: before?.lease ?? noLease, to: state.lease });
    const change = new Change(entry, state, before, row);
    if (!this.hasChanged) unflushed.push(this.changes);
    this.changes.push(change);
    this.bytes += change.bytes;
    return change;
  }
}

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
import { deletedState, encodeKeyValue, isTombstone, noBytes, valueOf, type KeyState } from "./key-value.js";
import type { StoreData } from "./store-data.js";
import { Change } from "./unflushed.js";

const noChanges: Change[] = [];
const noValues: (Uint8Array | undefined)[] = [];

/**
 * The changes of one revision while they are made. Its own reads see them at once; all others read at an earlier revision
 * until the store counts this one, and until then `undo` takes them back. What is gathered here is also what watchers are to
 * be told of the revision.
 */
export class Write {
  /** The approximate bytes that the changes take in memory until they are on disk, beside a fixed cost for each. */
  bytes = 0;
  // Most writes are a single put: arrays are made with their first element, as an empty one grows by room for many.
  private made: Change[] = noChanges;
  private replacedValues = noValues;
  private size: AnswerSize | undefined = undefined;

  /**
   * @param revision the one that the first change takes
   * @param checkWritable throws if nothing may be changed
   * @param tired see `isTired`; absent: the limits of an applied write decide
   */
  constructor(
    private readonly data: StoreData,
    readonly revision: Revision,
    private readonly checkWritable: () => void,
    private tired?: IsTired,
  ) {}

  get changes(): readonly Change[] {
    return this.made;
  }

  /** The value that each change replaced, if it was in memory and is of an earlier revision: no read of the disk is needed. */
  get replaced(): readonly (Uint8Array | undefined)[] {
    return this.replacedValues;
  }

  get hasChanged(): boolean {
    return this.made.length > 0;
  }

  /** Size of the response to the write. */
  get answerSize(): AnswerSize {
    return (this.size ??= new AnswerSize(this.data.limits.responseBytes));
  }

  /** Whether it is time to let others run. */
  get isTired(): IsTired {
    return (this.tired ??= tiredOfWriting(this.data));
  }

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
      sub: this.made.length,
      create: before?.create ?? this.revision,
      version: (before?.version ?? 0) + 1,
      lease: before !== undefined && request.ignoreLease ? before.lease : leaseIdFrom(request.lease),
    };
    const value = request.ignoreValue ? valueOf(previous) : request.value;
    const keyValue = encodeKeyValue(key, state, value, this.data.cache);
    const change = this.record(key, entry, state, keyValue);
    this.data.cache.hold(change.entry, keyValue);
    const { stats } = this.data;
    stats.puts++;
    stats.putBytes += request.key.length + request.value.length;
    return { header: undefined, prevKv: request.prevKv ? previous : noBytes };
  }

  /** Deletes keys in slices. @throws TooLargeError; nothing has changed then */
  *deleteRange(request: DeleteRangeRequest): Sliced<RawDeleteRangeResponse> {
    this.data.stats.deletes++;
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
    const { stats } = this.data;
    stats.deletes += keys.length; // etcd deletes them one by one
    if (keys.length > 1) stats.txns++;
    for (const key of keys) {
      this.delete(key, this.data.index.get(key));
      if (this.isTired(1)) yield;
    }
  }

  /** Takes everything back; in slices. */
  *undo(): Sliced<void> {
    if (!this.hasChanged) return;
    for (const { entry, state, before } of this.made.reverse()) {
      this.data.leases.move(entry.key, { from: state.lease, to: before?.lease ?? noLease });
      this.data.index.takeBack(entry, before);
      this.data.cache.drop(entry);
      if (this.isTired(1)) yield;
    }
    this.data.unflushed.pop();
    this.made = noChanges;
    this.replacedValues = noValues;
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
    const change = this.record(key, known, deletedState(this.revision, this.made.length), undefined);
    this.data.cache.drop(change.entry);
  }

  private record(key: Key, known: KeyEntry | undefined, state: KeyState, keyValue: Uint8Array | undefined): Change {
    this.checkWritable();
    const { index, leases, unflushed } = this.data;
    const before = known?.newest;
    const replaced = before?.mod === this.revision ? undefined : known?.value;
    const entry = index.advance(key, known, state);
    leases.move(key, { from: before?.lease ?? noLease, to: state.lease });
    const change = new Change(entry, state, before, keyValue);
    this.bytes += change.bytes;
    if (this.hasChanged) {
      this.made.push(change);
      this.replacedValues.push(replaced);
    } else {
      this.made = [change];
      this.replacedValues = [replaced];
      unflushed.push(this.made); // it may still grow
    }
    return change;
  }
}

/** Told how many keys were visited or changed since it was asked last; true: others are to run. */
type IsTired = (keys: number) => boolean;

function tiredOfWriting({ values, limits }: StoreData): IsTired {
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

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
import {
  deletedState,
  isTombstone,
  type KeyState,
  keyValueSize,
  noBytes,
  valueOf,
  writeKeyValue,
} from "./key-value.js";
import type { StoreData } from "./store-data.js";
import { Change } from "./unflushed.js";
import type { ValueChunk } from "./value-chunk.js";

const noChanges: readonly Change[] = [];

/** A value that a change replaced, where it lay in memory; `chunk` undefined: it was not there. */
interface Replaced {
  readonly chunk: ValueChunk<KeyEntry> | undefined;
  readonly start: number;
  readonly length: number;
}

/**
 * The changes of one revision while they are made. Its own reads see them at once; all others read at an earlier revision
 * until the store counts this one, and until then `undo` takes them back. What is gathered here is also what watchers are to
 * be told of the revision.
 */
export class Write {
  /** The approximate bytes that the changes take in memory until they are on disk, beside a fixed cost for each. */
  bytes = 0;
  /** Number of changes. */
  count = 0;
  // Most writes are a single put: lists are made with the second change.
  private first: Change | undefined = undefined;
  private made: Change[] | undefined = undefined;
  private replacedValues: Replaced[] | undefined = undefined;
  // What the first change replaced.
  private replacedChunk: ValueChunk<KeyEntry> | undefined = undefined;
  private replacedStart = 0;
  private replacedLength = 0;
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

  /** The changes in their order. */
  get changes(): readonly Change[] {
    if (this.made !== undefined) return this.made;
    return this.first === undefined ? noChanges : [this.first];
  }

  /** The value that a change replaced, if it was in memory and is of an earlier revision: no read of the disk is needed. */
  replacedBy(position: number): Uint8Array | undefined {
    const { chunk, start, length } = this.replacedValues?.[position] ?? this.firstReplaced;
    return chunk?.memory.subarray(start, start + length);
  }

  get hasChanged(): boolean {
    return this.count > 0;
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
    const { index } = this.data;
    const recent = index.recent(request.key);
    const key = recent?.key ?? keyFromBytes(request.key);
    const entry = recent ?? index.get(key);
    const live = entry === undefined || isTombstone(entry.newest) ? undefined : entry;
    if (live === undefined && (request.ignoreValue || request.ignoreLease)) throw new KeyNotFoundError(key);
    const wantsPrevious = request.prevKv || request.ignoreValue;
    const previous = live !== undefined && wantsPrevious ? this.data.values.newest(live) : noBytes;
    if (request.prevKv) this.answerSize.add(previous);
    const before = live?.newest;
    const state = {
      mod: this.revision,
      sub: this.count,
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
    for (const { entry, state, before } of [...this.changes].reverse()) {
      this.data.leases.move(entry.key, { from: state.lease, to: before?.lease ?? noLease });
      this.data.index.takeBack(entry, before);
      this.data.cache.drop(entry);
      if (this.isTired(1)) yield;
    }
    this.data.unflushed.pop();
    this.count = 0;
    this.first = this.made = this.replacedValues = this.replacedChunk = undefined;
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
    const entry = this.record(key, known, deletedState(this.revision, this.count), undefined, 0);
    this.data.cache.drop(entry);
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
    const { index, leases, unflushed } = this.data;
    const before = known?.newest;
    const isReplacing = before?.mod !== this.revision;
    const replacedChunk = isReplacing ? known?.chunk : undefined;
    const replacedStart = known?.start ?? 0;
    const replacedLength = known?.length ?? 0;
    const entry = index.advance(key, known, state);
    const from = before?.lease ?? noLease;
    if (from !== state.lease) leases.move(key, { from, to: state.lease });
    const change = new Change(entry, state, before, chunk, chunk?.taken ?? 0, size);
    this.bytes += change.bytes;
    this.count += 1;
    if (this.first === undefined) {
      this.first = change;
      this.replacedChunk = replacedChunk;
      this.replacedStart = replacedStart;
      this.replacedLength = replacedLength;
      unflushed.push(change);
      return entry;
    }
    this.replacedValues ??= [this.firstReplaced];
    this.replacedValues.push({ chunk: replacedChunk, start: replacedStart, length: replacedLength });
    if (this.made === undefined) unflushed.extend((this.made = [this.first, change]));
    else this.made.push(change);
    return entry;
  }

  private get firstReplaced(): Replaced {
    return { chunk: this.replacedChunk, start: this.replacedStart, length: this.replacedLength };
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

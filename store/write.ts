import type { DeleteRangeRequest, PutRequest, RawDeleteRangeResponse, RawPutResponse } from "../proto/index.js";
import { AnswerSize } from "./answer-size.js";
import { KeyNotFoundError } from "./errors.js";
import { intervalOf, keyFromBytes, type Key } from "./interval.js";
import type { KeyEntry } from "./key-index.js";
import { deletedState, encodeKeyValue, isTombstone, noBytes, valueOf, type KeyState } from "./key-value.js";
import type { Revision } from "./revision.js";
import { noLease } from "./leases.js";
import { checksumSize } from "./rows.js";
import type { StoreData } from "./store-data.js";
import type { Change } from "./unflushed.js";

/** A key is on disk as a KeyValue with everything but itself zero when it was deleted. */
const onlyKey: KeyState = deletedState(0 as Revision, 0);

/**
 * The changes of one revision while they are made. Reads see them at once; until the store counts the revision, `undo`
 * takes them back. What is gathered here is also what watchers are to be told of the revision.
 */
export class Write {
  readonly changes: Change[] = [];
  /** What each change replaced, if that was in memory and is of an earlier revision: nobody has to read it from disk then. */
  readonly replaced: (Uint8Array | undefined)[] = [];
  private size: AnswerSize | undefined = undefined;

  /**
   * @param revision the one that the first change takes
   * @param checkWritable throws if nothing may be changed
   */
  constructor(
    private readonly data: StoreData,
    readonly revision: Revision,
    private readonly checkWritable: () => void,
  ) {}

  get hasChanged(): boolean {
    return this.changes.length > 0;
  }

  /** Of all that is answered to it. */
  get answerSize(): AnswerSize {
    return (this.size ??= new AnswerSize(this.data.limits.responseBytes));
  }

  /** @throws LeaseNotFoundError, KeyNotFoundError, in that order, TooLargeError; nothing has changed then */
  put(request: PutRequest): RawPutResponse {
    this.data.leases.check(request.lease);
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
      lease: before !== undefined && request.ignoreLease ? before.lease : request.lease,
    };
    this.record(key, entry, state, request.ignoreValue ? valueOf(previous) : request.value);
    return { header: undefined, prevKv: request.prevKv ? previous : noBytes };
  }

  /** @throws TooLargeError; nothing has changed then */
  deleteRange(request: DeleteRangeRequest): RawDeleteRangeResponse {
    const entries = this.liveEntries(request);
    const prevKvs = request.prevKv ? entries.map((entry) => this.answered(entry)) : [];
    for (const entry of entries)
      this.record(entry.key, entry, deletedState(this.revision, this.changes.length), noBytes);
    return { header: undefined, deleted: BigInt(entries.length), prevKvs };
  }

  /** Deletes the keys of a lease, ascending. @throws LeaseNotFoundError */
  revoke(lease: bigint): void {
    for (const key of this.data.leases.keysOf(lease))
      this.record(key, this.data.index.get(key), deletedState(this.revision, this.changes.length), noBytes);
  }

  /** Takes everything back. */
  undo(): void {
    if (!this.hasChanged) return;
    for (const { entry, state, before } of this.changes.reverse()) {
      this.data.leases.move(entry.key, { from: state.lease, to: before?.lease ?? noLease });
      this.data.index.takeBack(entry, before);
      this.data.cache.drop(entry);
    }
    this.data.unflushed.pop();
    this.changes.length = this.replaced.length = 0;
  }

  private answered(entry: KeyEntry): Uint8Array {
    const keyValue = this.data.values.newest(entry);
    this.answerSize.add(keyValue);
    return keyValue;
  }

  private liveEntries(request: DeleteRangeRequest): readonly KeyEntry[] {
    if (request.rangeEnd.length === 0) {
      const entry = this.data.index.live(keyFromBytes(request.key));
      return entry === undefined ? [] : [entry];
    }
    const entries: KeyEntry[] = [];
    this.data.index.walk(intervalOf(request), (entry) => {
      if (!isTombstone(entry.newest)) entries.push(entry);
      return true;
    });
    return entries;
  }

  private record(key: Key, known: KeyEntry | undefined, state: KeyState, value: Uint8Array): void {
    this.checkWritable();
    const { index, cache, leases, unflushed } = this.data;
    const deleted = isTombstone(state);
    const row = encodeKeyValue(key, deleted ? onlyKey : state, value, checksumSize);
    const keyValue = row.subarray(0, row.length - checksumSize);
    const before = known?.newest;
    this.replaced.push(before?.mod === this.revision ? undefined : known?.value);
    const entry = index.advance(key, known, state);
    leases.move(key, { from: before?.lease ?? noLease, to: state.lease });
    if (!this.hasChanged) unflushed.push(this.changes);
    this.changes.push({ entry, state, before, keyValue, row });
    if (deleted) cache.drop(entry);
    else cache.hold(entry, keyValue);
  }
}

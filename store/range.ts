import { counterFromRequest, RangeRequest_SortOrder, RangeRequest_SortTarget } from "../proto/index.js";
import type { RangeRequest, RawRangeResponse } from "../proto/index.js";
import { AnswerSize } from "./answer-size.js";
import { intervalOf, type Interval, type Key } from "./interval.js";
import type { KeyEntry } from "./key-index.js";
import { decodeKeyValue, encodeKeyValue, noBytes, valueOf, withoutValue, type KeyState } from "./key-value.js";
import type { Sliced } from "./slices.js";
import type { StoreData } from "./store-data.js";

/** A key that existed at the revision of the read. */
interface Hit {
  readonly entry: KeyEntry;
  /** The put that was its newest then. */
  readonly main: number;
  readonly sub: number;
  /** Known at once if that put is still the newest; else it is in the KeyValue on disk. */
  state: KeyState | undefined;
  keyValue: Uint8Array | undefined;
}

/** Whether the answer is just the key's value: the way of most reads, made short by whoever calls. */
export const isPlainGet = (request: RangeRequest): boolean =>
  request.rangeEnd.length === 0 && !request.countOnly && !request.keysOnly && !hasFilters(request);

const hasFilters = (request: RangeRequest): boolean =>
  request.minModRevision !== 0n ||
  request.maxModRevision !== 0n ||
  request.minCreateRevision !== 0n ||
  request.maxCreateRevision !== 0n;

/**
 * Answers a Range at one revision, which must not be compacted away before it is done. `count` ignores limit and
 * filters; `more` does not.
 *
 * @param size of the answer that this is a part of
 * @throws TooLargeError
 * @see etcd v3 API, KV.Range
 */
export function* readRange(
  data: StoreData,
  request: RangeRequest,
  at: number,
  size = new AnswerSize(data.limits.responseBytes),
): Sliced<RawRangeResponse> {
  const limit = counterFromRequest(request.limit);
  const unlimited = limit <= 0;
  // With any order or filter etcd fetches everything first. Without, it takes the first limit + 1 keys in key order,
  // even if it then sorts them by something else.
  const fetchesAll = unlimited || request.sortOrder !== RangeRequest_SortOrder.NONE || hasFilters(request);
  const maxHits = request.countOnly ? 0 : fetchesAll ? Infinity : limit + 1;
  const { hits, count } = yield* findHits(data, intervalOf(request), at, maxHits);

  const loader = new Loader(data, size);
  const filtered = yield* filter(loader, request, hits);
  const sorted = yield* sort(loader, request, filtered, unlimited ? Infinity : limit + 1);
  const more = !unlimited && sorted.length > limit;
  const kept = more ? sorted.slice(0, limit) : sorted;
  const kvs = yield* request.keysOnly ? keysOf(loader, kept) : keyValuesOf(loader, kept);
  return { header: undefined, kvs, more, count: BigInt(count) };
}

/** The first `maxHits` keys of the interval that existed at `at`, and how many there were in all. */
function* findHits(
  { index, limits }: StoreData,
  interval: Interval,
  at: number,
  maxHits: number,
): Sliced<{ readonly hits: Hit[]; readonly count: number }> {
  const hits: Hit[] = [];
  let count = 0;
  let from: Key | undefined = interval.from;
  for (;;) {
    let visited = 0;
    from = index.walk({ from, to: interval.to }, (entry) => {
      const hit = hitAt(entry, at, hits.length < maxHits);
      if (hit !== undefined) count += 1;
      if (typeof hit === "object") hits.push(hit);
      return ++visited < limits.entriesPerSlice;
    });
    if (from === undefined) return { hits, count };
    yield;
  }
}

/** Undefined: the key did not exist at `at`. True: it did, and that was all that is wanted. */
function hitAt(entry: KeyEntry, at: number, wanted: boolean): Hit | true | undefined {
  const put = entry.putAt(at);
  if (put === undefined) return undefined;
  const state = put === entry.newest ? entry.newest : undefined;
  return !wanted || { entry, main: put.mod, sub: put.sub, state, keyValue: undefined };
}

/** Brings in what the index does not know of a hit, within the bound on what one answer may gather. */
class Loader {
  private readsBefore: number;
  private asked = 0;

  constructor(
    private readonly data: StoreData,
    private readonly size: AnswerSize,
  ) {
    this.readsBefore = data.values.diskReads;
  }

  /** Whether it is time to let others run; to be asked after each hit. */
  isTired(): boolean {
    const { values, limits } = this.data;
    this.asked += 1;
    if (values.diskReads - this.readsBefore < limits.diskReadsPerSlice && this.asked < limits.entriesPerSlice)
      return false;
    this.readsBefore = values.diskReads;
    this.asked = 0;
    return true;
  }

  keyValue(hit: Hit): Uint8Array {
    if (hit.keyValue !== undefined) return hit.keyValue;
    const { values } = this.data;
    hit.keyValue = hit.entry.newest === hit.state ? values.newest(hit.entry) : values.at(hit.main, hit.sub);
    this.size.add(hit.keyValue);
    return hit.keyValue;
  }

  state(hit: Hit): KeyState {
    hit.state ??= decodeKeyValue(this.keyValue(hit), hit.sub).state;
    return hit.state;
  }
}

function* filter(loader: Loader, request: RangeRequest, hits: Hit[]): Sliced<Hit[]> {
  if (!hasFilters(request)) return hits;
  const [minMod, minCreate] = [request.minModRevision, request.minCreateRevision].map(counterFromRequest) as Pair;
  const [maxMod, maxCreate] = [request.maxModRevision, request.maxCreateRevision].map(counterFromRequest) as Pair;
  const kept: Hit[] = [];
  for (const hit of hits) {
    const { mod, create } = loader.state(hit);
    const low = mod >= minMod && create >= minCreate;
    if (low && (maxMod === 0 || mod <= maxMod) && (maxCreate === 0 || create <= maxCreate)) kept.push(hit);
    if (loader.isTired()) yield;
  }
  return kept;
}

type Pair = [number, number];

/**
 * The first `wanted` in the order that is asked for. Equal ones stay in key order, where etcd leaves their order open.
 */
function* sort(loader: Loader, request: RangeRequest, hits: Hit[], wanted: number): Sliced<Hit[]> {
  const { sortTarget: target, sortOrder: order } = request;
  const descending = order === RangeRequest_SortOrder.DESCEND;
  if (target === RangeRequest_SortTarget.KEY) return descending ? hits.reverse() : hits;
  if (target === RangeRequest_SortTarget.VALUE) {
    const values = new Ranking<Uint8Array>((a, b) => Buffer.compare(a, b), descending, wanted);
    for (const hit of hits) {
      values.add(hit, valueOf(loader.keyValue(hit)));
      if (loader.isTired()) yield;
    }
    return values.first();
  }
  const numbers = new Ranking<number>((a, b) => a - b, descending, wanted);
  for (const hit of hits) {
    numbers.add(hit, rankOf(loader.state(hit), target));
    if (loader.isTired()) yield;
  }
  return numbers.first();
}

function rankOf(state: KeyState, target: RangeRequest_SortTarget): number {
  if (target === RangeRequest_SortTarget.VERSION) return state.version;
  return target === RangeRequest_SortTarget.CREATE ? state.create : state.mod;
}

/** Beyond what is wanted so many are gathered before the rest is forgotten. */
const spareRanked = 32;

/** Sorts hits by a rank. Who wants the first few of a million has no more than these sorted, a part at a time. */
class Ranking<R> {
  private ranked: { readonly hit: Hit; readonly rank: R }[] = [];

  constructor(
    private readonly compare: (a: R, b: R) => number,
    private readonly descending: boolean,
    private readonly wanted: number,
  ) {}

  /** In key order. */
  add(hit: Hit, rank: R): void {
    this.ranked.push({ hit, rank });
    if (this.ranked.length >= 2 * this.wanted + spareRanked) this.settle();
  }

  first(): Hit[] {
    this.settle();
    return this.ranked.map(({ hit }) => hit);
  }

  /** Stable: those that were kept lie before those that came later. */
  private settle(): void {
    const { ranked, compare, wanted } = this;
    ranked.sort(this.descending ? (a, b) => compare(b.rank, a.rank) : (a, b) => compare(a.rank, b.rank));
    if (ranked.length > wanted) ranked.length = wanted;
  }
}

function* keyValuesOf(loader: Loader, hits: readonly Hit[]): Sliced<Uint8Array[]> {
  const kvs: Uint8Array[] = [];
  for (const hit of hits) {
    kvs.push(loader.keyValue(hit));
    if (loader.isTired()) yield;
  }
  return kvs;
}

/** Without values; nothing is read from disk for a key whose newest put is asked for. */
function* keysOf(loader: Loader, hits: readonly Hit[]): Sliced<Uint8Array[]> {
  const kvs: Uint8Array[] = [];
  for (const hit of hits) {
    const { state } = hit;
    kvs.push(
      state === undefined ? withoutValue(loader.keyValue(hit)) : encodeKeyValue(hit.entry.key, state, noBytes, 0),
    );
    if (loader.isTired()) yield;
  }
  return kvs;
}

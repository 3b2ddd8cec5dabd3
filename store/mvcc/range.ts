import { counterFromRequest, RangeRequest_SortOrder, RangeRequest_SortTarget } from "../../proto/index.js";
import type { RangeRequest, RawRangeResponse } from "../../proto/index.js";
import {
  type AnswerSize,
  type Interval,
  intervalOf,
  type Key,
  noLease,
  type Sliced,
  sortInSlices,
  type ShouldYield,
} from "../base/index.js";
import type { KeyEntry } from "./key-index.js";
import { decodeKeyValue, encodeKeyValue, noBytes, valueOf, type KeyState } from "./key-value.js";
import type { StoreData } from "./store-data.js";

/** A key that existed at the revision of the read. */
interface Hit {
  readonly entry: KeyEntry;
  /** The revision of the put whose value the key had then. */
  readonly main: number;
  /** The place of that put among the changes of its revision. */
  readonly sub: number;
  /** The state after that put; undefined: the index does not have it, as the put is not the newest, and `loadState` has not decoded it yet. */
  state: KeyState | undefined;
  /** The encoded KeyValue; undefined: not loaded yet. */
  keyValue: Uint8Array | undefined;
}

/** Whether a request reads a single key with its value and has no filters. `readKey` answers such a request, without slices. */
export const isPlainGet = (request: RangeRequest): boolean =>
  request.rangeEnd.length === 0 && !request.countOnly && !request.keysOnly && !hasFilters(request);

/** Answers a request for which `isPlainGet` is true, at one revision. */
export function readKey({ index, values }: StoreData, request: RangeRequest, at: number): RawRangeResponse {
  const entry = index.find(request.key);
  const put = entry?.putAt(at);
  if (entry === undefined || put === undefined) return { header: undefined, kvs: [], more: false, count: 0n };
  const keyValue = put === entry.newest ? values.readNewest(entry) : values.readAt(put.mod, put.sub);
  return { header: undefined, kvs: [keyValue], more: false, count: 1n };
}

const hasFilters = (request: RangeRequest): boolean =>
  request.minModRevision !== 0n ||
  request.maxModRevision !== 0n ||
  request.minCreateRevision !== 0n ||
  request.maxCreateRevision !== 0n;

/** The parameters of a read, beside its request. */
export interface RangeRead {
  /** The revision to read at. The caller prevents that a compaction removes its changes during the read. */
  readonly at: number;
  /** The size of the whole response: for a transaction, of all its operations. */
  readonly size: AnswerSize;
  /** Called with the number of keys that were visited, or whose values were loaded, since its last call; true: yield to other work. */
  readonly shouldYield: ShouldYield;
}

/**
 * Answers a Range at one revision, in slices. `count` is the number of all keys in the interval, without limit and filters; `more`
 * tells whether keys that pass the filters are left beyond the limit.
 *
 * @throws TooLargeError
 * @see etcd v3 API, KV.Range
 */
export function readRange(data: StoreData, request: RangeRequest, read: RangeRead): Sliced<RawRangeResponse> {
  return isInKeyOrder(request) ? readInKeyOrder(data, request, read) : readSorted(data, request, read);
}

/** Whether the answer is only a number, or the first keys in key order with their values, as for most reads. */
const isInKeyOrder = (request: RangeRequest): boolean =>
  request.countOnly ||
  (request.sortTarget === RangeRequest_SortTarget.KEY &&
    request.sortOrder !== RangeRequest_SortOrder.DESCEND &&
    !request.keysOnly &&
    !hasFilters(request));

/** The most keys visited between two calls of `shouldYield`: fewer if the limit of a turn is smaller; a read from disk calls it earlier. */
const maxKeysPerCheck = 200;
/** The keys, with values in memory, that count as one entry for `shouldYield`: to visit them takes about as long. */
const keysPerEntry = 4;

function* readInKeyOrder(data: StoreData, request: RangeRequest, read: RangeRead): Sliced<RawRangeResponse> {
  const { from, to } = intervalOf(request);
  const limit = counterFromRequest(request.limit);
  const finder = new Finder(data, read, request.countOnly ? 0 : limit <= 0 ? Infinity : limit);
  finder.total = data.index.countAt({ from, to }, read.at);
  let next: Key | undefined = finder.isDone ? undefined : from;
  while (next !== undefined) {
    const last: Key | undefined = data.index.walk({ from: next, to }, finder.visit);
    const shouldYield = read.shouldYield(finder.takeVisited() / keysPerEntry);
    next = finder.isDone ? undefined : last;
    if (shouldYield && next !== undefined) yield;
  }
  const { kvs, found, total = found } = finder;
  return { header: undefined, kvs, more: !request.countOnly && found > kvs.length, count: BigInt(total) };
}

/** Finds the first keys of an interval that existed at a revision. */
class Finder {
  readonly kvs: Uint8Array[] = [];
  /** The keys found so far. At the end all in the interval; if `total` is known, at most one more than wanted. */
  found = 0;
  /** The number of keys in the interval; undefined: the index cannot tell it without a visit of all keys. */
  total: number | undefined = undefined;
  private visited = 0;
  private diskReads: number;
  private readonly keysPerCheck: number;

  constructor(
    private readonly data: StoreData,
    private readonly read: RangeRead,
    private readonly wanted: number,
  ) {
    this.diskReads = data.values.diskReads;
    this.keysPerCheck = Math.min(maxKeysPerCheck, keysPerEntry * data.limits.entriesPerSlice);
  }

  /** Whether no further key has to be visited: `total` is known, and either only it is wanted, or one key more than wanted was found. */
  get isDone(): boolean {
    return this.total !== undefined && (this.found > this.wanted || this.wanted === 0);
  }

  /** Returns the number of keys visited since its last call. */
  takeVisited(): number {
    const { visited } = this;
    this.visited = 0;
    this.diskReads = this.data.values.diskReads;
    return visited;
  }

  /** Reads the next key. @returns false: the read is done, or `shouldYield` is to be called */
  readonly visit = (entry: KeyEntry): boolean => {
    this.visited += 1;
    const put = entry.putAt(this.read.at);
    if (put !== undefined) {
      this.found += 1;
      if (this.found <= this.wanted) this.add(entry, put);
      else if (this.isDone) return false;
    }
    return this.visited < this.keysPerCheck && this.data.values.diskReads === this.diskReads;
  };

  private add(entry: KeyEntry, put: Pick<KeyState, "mod" | "sub">): void {
    const { values } = this.data;
    const keyValue = put === entry.newest ? values.readNewest(entry) : values.readAt(put.mod, put.sub);
    this.read.size.add(keyValue);
    this.kvs.push(keyValue);
  }
}

/** Answers a request with another order than key order, with filters, or without values. */
function* readSorted(data: StoreData, request: RangeRequest, read: RangeRead): Sliced<RawRangeResponse> {
  const limit = counterFromRequest(request.limit);
  const unlimited = limit <= 0;
  // If the request has an order or a filter, etcd fetches all keys first. If not, etcd fetches the first limit + 1 keys in key order, and
  // then sorts only these, even if the sort target is not the key.
  const fetchesAll = unlimited || request.sortOrder !== RangeRequest_SortOrder.NONE || hasFilters(request);
  const maxHits = fetchesAll ? Infinity : limit + 1;
  const { hits, count } = yield* findHits(data, intervalOf(request), read, maxHits);

  const loader = new Loader(data, read);
  const filtered = yield* filter(loader, request, hits);
  const sorted = yield* sort(loader, request, filtered, unlimited ? Infinity : limit + 1);
  const more = !unlimited && sorted.length > limit;
  const kept = more ? sorted.slice(0, limit) : sorted;
  const kvs = yield* request.keysOnly ? keysOf(loader, kept, shouldKeepLeases(request)) : keyValuesOf(loader, kept);
  return { header: undefined, kvs, more, count: BigInt(count) };
}

/** Finds the first `maxHits` keys of the interval that existed at `at`, and counts all of them. */
function* findHits(
  { index }: StoreData,
  interval: Interval,
  { at, shouldYield }: RangeRead,
  maxHits: number,
): Sliced<{ readonly hits: Hit[]; readonly count: number }> {
  const hits: Hit[] = [];
  let count = 0;
  yield* index.walkSliced(interval, shouldYield, (entry) => {
    const hit = hitOf(entry, at, hits.length < maxHits);
    if (hit !== undefined) count += 1;
    if (typeof hit === "object") hits.push(hit);
    return true;
  });
  return { hits, count };
}

/** Returns the hit for a key that existed at `at`, or only true if no hit is wanted; undefined: the key did not exist. */
function hitOf(entry: KeyEntry, at: number, wanted: boolean): Hit | true | undefined {
  const put = entry.putAt(at);
  if (put === undefined) return undefined;
  const state = put === entry.newest ? entry.newest : undefined;
  return !wanted || { entry, main: put.mod, sub: put.sub, state, keyValue: undefined };
}

/** Loads values of hits, and states that are not in the index. The loaded bytes count for the size of the response. */
class Loader {
  constructor(
    private readonly data: StoreData,
    private readonly read: RangeRead,
  ) {}

  /** Whether to yield to other work; called after each hit. */
  shouldYield(): boolean {
    return this.read.shouldYield(1);
  }

  /** The function `shouldYield` of the read, for work that passes the number of keys itself. */
  get readShouldYield(): RangeRead["shouldYield"] {
    return this.read.shouldYield;
  }

  loadKeyValue(hit: Hit): Uint8Array {
    if (hit.keyValue !== undefined) return hit.keyValue;
    const { values } = this.data;
    hit.keyValue = hit.entry.newest === hit.state ? values.readNewest(hit.entry) : values.readAt(hit.main, hit.sub);
    this.read.size.add(hit.keyValue);
    return hit.keyValue;
  }

  loadState(hit: Hit): KeyState {
    hit.state ??= decodeKeyValue(this.loadKeyValue(hit), hit.sub).state;
    return hit.state;
  }
}

function* filter(loader: Loader, request: RangeRequest, hits: Hit[]): Sliced<Hit[]> {
  if (!hasFilters(request)) return hits;
  const [minMod, minCreate] = [request.minModRevision, request.minCreateRevision].map(counterFromRequest) as Pair;
  const [maxMod, maxCreate] = [request.maxModRevision, request.maxCreateRevision].map(counterFromRequest) as Pair;
  const kept: Hit[] = [];
  for (const hit of hits) {
    const { mod, create } = loader.loadState(hit);
    const low = mod >= minMod && create >= minCreate;
    if (low && (maxMod === 0 || mod <= maxMod) && (maxCreate === 0 || create <= maxCreate)) kept.push(hit);
    if (loader.shouldYield()) yield;
  }
  return kept;
}

type Pair = [number, number];

/**
 * Returns the first `wanted` hits in the requested order. Hits of equal rank stay in key order; in etcd their order is undefined.
 */
function* sort(loader: Loader, request: RangeRequest, hits: Hit[], wanted: number): Sliced<Hit[]> {
  const { sortTarget: target, sortOrder: order } = request;
  const descending = order === RangeRequest_SortOrder.DESCEND;
  if (target === RangeRequest_SortTarget.KEY) return descending ? hits.reverse() : hits;
  if (target === RangeRequest_SortTarget.VALUE) {
    const byValue = { compare: (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b), descending, wanted };
    return yield* takeFirstByRank(loader, hits, byValue, (hit) => valueOf(loader.loadKeyValue(hit)));
  }
  const byNumber = { compare: (a: number, b: number) => a - b, descending, wanted };
  return yield* takeFirstByRank(loader, hits, byNumber, (hit) => rankOf(loader.loadState(hit), target));
}

function rankOf(state: KeyState, target: RangeRequest_SortTarget): number {
  if (target === RangeRequest_SortTarget.VERSION) return state.version;
  return target === RangeRequest_SortTarget.CREATE ? state.create : state.mod;
}

/** The hits that are gathered beyond twice the wanted ones before all but the first wanted are dropped. */
const spareRanked = 32;

/** The order of hits, and how many of the first are wanted. */
interface HitOrder<R> {
  readonly compare: (a: R, b: R) => number;
  readonly descending: boolean;
  readonly wanted: number;
}

/**
 * Returns the first `wanted` hits by rank, in slices. Hits are sorted in parts, and after each part only the first `wanted` are kept. The
 * first 10 of a million hits therefore need memory for 52 ranks, and no sort of a million.
 *
 * @param hits in key order
 */
function* takeFirstByRank<R>(
  loader: Loader,
  hits: readonly Hit[],
  { compare, descending, wanted }: HitOrder<R>,
  rankOfHit: (hit: Hit) => R,
): Sliced<Hit[]> {
  interface Ranked {
    readonly hit: Hit;
    readonly rank: R;
  }
  const ordered = descending
    ? (a: Ranked, b: Ranked) => compare(b.rank, a.rank)
    : (a: Ranked, b: Ranked) => compare(a.rank, b.rank);
  let ranked: Ranked[] = [];
  for (const hit of hits) {
    ranked.push({ hit, rank: rankOfHit(hit) });
    if (loader.shouldYield()) yield;
    if (ranked.length < 2 * wanted + spareRanked) continue;
    // The sort is stable, and kept hits are before the ones added later, so hits of equal rank stay in key order.
    ranked = (yield* sortInSlices(ranked, ordered, loader.readShouldYield)).slice(0, wanted);
  }
  const sorted = yield* sortInSlices(ranked, ordered, loader.readShouldYield);
  return sorted.slice(0, wanted).map(({ hit }) => hit);
}

function* keyValuesOf(loader: Loader, hits: readonly Hit[]): Sliced<Uint8Array[]> {
  const kvs: Uint8Array[] = [];
  for (const hit of hits) {
    kvs.push(loader.loadKeyValue(hit));
    if (loader.shouldYield()) yield;
  }
  return kvs;
}

/** Whether an answer without values has the leases of the keys. etcd 3.7 has them only if it loads the values to sort by them. */
const shouldKeepLeases = ({ sortTarget }: RangeRequest): boolean => sortTarget === RangeRequest_SortTarget.VALUE;

/** Returns the KeyValues of hits without values, as `keys_only` asks for. */
function* keysOf(loader: Loader, hits: readonly Hit[], withLeases: boolean): Sliced<Uint8Array[]> {
  const kvs: Uint8Array[] = [];
  for (const hit of hits) {
    const state = hit.state ?? decodeKeyValue(loader.loadKeyValue(hit), hit.sub).state;
    kvs.push(encodeKeyValue(hit.entry.key, withLeases ? state : { ...state, lease: noLease }, noBytes));
    if (loader.shouldYield()) yield;
  }
  return kvs;
}

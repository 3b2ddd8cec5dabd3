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
} from "../base/index.js";
import type { KeyEntry } from "./key-index.js";
import { decodeKeyValue, encodeKeyValue, noBytes, valueOf, type KeyState } from "./key-value.js";
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

/** Whether the answer is just one key's value, which callers handle on a fast path. */
export const isPlainGet = (request: RangeRequest): boolean =>
  request.rangeEnd.length === 0 && !request.countOnly && !request.keysOnly && !hasFilters(request);

/** Answers such a read at one revision. */
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

/** Parameters of a read. */
export interface RangeRead {
  /** The revision, which must not be compacted away before the read is done. */
  readonly at: number;
  /** Size of the whole answer that this is a part of. */
  readonly size: AnswerSize;
  /** Told how many keys were visited, or their values found, since it was asked last; true: others are to run. */
  readonly shouldYield: (keys: number) => boolean;
}

/**
 * Answers a Range at one revision, in slices. `count` ignores limit and filters; `more` does not.
 *
 * @throws TooLargeError
 * @see etcd v3 API, KV.Range
 */
export function readRange(data: StoreData, request: RangeRequest, read: RangeRead): Sliced<RawRangeResponse> {
  return isInKeyOrder(request) ? readInKeyOrder(data, request, read) : readSorted(data, request, read);
}

/** Whether the answer is the first keys in their order, with their values, or only a number: the way of most reads. */
const isInKeyOrder = (request: RangeRequest): boolean =>
  request.countOnly ||
  (request.sortTarget === RangeRequest_SortTarget.KEY &&
    request.sortOrder !== RangeRequest_SortOrder.DESCEND &&
    !request.keysOnly &&
    !hasFilters(request));

/** Keys that are visited, unless one is read from disk, before it is asked whether to pause; fewer if a turn has room for fewer. */
const maxKeysPerLook = 200;
/** Looking up so many keys, and their values in memory, takes as long as one entry is reckoned with. */
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
  /** Keys that were found: all in the interval, or one more than wanted if `total` tells how many there are. */
  found = 0;
  total: number | undefined = undefined;
  private visited = 0;
  private diskReads: number;
  private readonly keysPerLook: number;

  constructor(
    private readonly data: StoreData,
    private readonly read: RangeRead,
    private readonly wanted: number,
  ) {
    this.diskReads = data.values.diskReads;
    this.keysPerLook = Math.min(maxKeysPerLook, keysPerEntry * data.limits.entriesPerSlice);
  }

  /** Whether it has found all that is wanted, and knows how many there are. */
  get isDone(): boolean {
    return this.total !== undefined && (this.found > this.wanted || this.wanted === 0);
  }

  /** Returns the number of keys visited since it was asked last. */
  takeVisited(): number {
    const { visited } = this;
    this.visited = 0;
    this.diskReads = this.data.values.diskReads;
    return visited;
  }

  /** Looks at the next key. @returns false: it is time to look whether others are to run, or it is done */
  readonly visit = (entry: KeyEntry): boolean => {
    this.visited += 1;
    const put = entry.putAt(this.read.at);
    if (put !== undefined) {
      this.found += 1;
      if (this.found <= this.wanted) this.add(entry, put);
      else if (this.isDone) return false;
    }
    return this.visited < this.keysPerLook && this.data.values.diskReads === this.diskReads;
  };

  private add(entry: KeyEntry, put: Pick<KeyState, "mod" | "sub">): void {
    const { values } = this.data;
    const keyValue = put === entry.newest ? values.readNewest(entry) : values.readAt(put.mod, put.sub);
    this.read.size.add(keyValue);
    this.kvs.push(keyValue);
  }
}

/** Answers in any order, with filters, or without values. */
function* readSorted(data: StoreData, request: RangeRequest, read: RangeRead): Sliced<RawRangeResponse> {
  const limit = counterFromRequest(request.limit);
  const unlimited = limit <= 0;
  // With any order or filter etcd fetches everything first. Without, it takes the first limit + 1 keys in key order,
  // even if it then sorts them by something else.
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

/** The first `maxHits` keys of the interval that existed at `at`, and how many there were in all. */
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

/** Undefined: the key did not exist at `at`. True: it did, and that was all that is wanted. */
function hitOf(entry: KeyEntry, at: number, wanted: boolean): Hit | true | undefined {
  const put = entry.putAt(at);
  if (put === undefined) return undefined;
  const state = put === entry.newest ? entry.newest : undefined;
  return !wanted || { entry, main: put.mod, sub: put.sub, state, keyValue: undefined };
}

/** Brings in what the index does not know of a hit, within the bound on what one answer may gather. */
class Loader {
  constructor(
    private readonly data: StoreData,
    private readonly read: RangeRead,
  ) {}

  /** Whether it is time to let others run; to be asked after each hit. */
  shouldYield(): boolean {
    return this.read.shouldYield(1);
  }

  /** The question of the read itself, which counts what it is told. */
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
 * The first `wanted` in the order that is asked for. Equal ones stay in key order, where etcd leaves their order open.
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

/** The hits gathered beyond the wanted ones before the others are dropped. */
const spareRanked = 32;

/** The order of hits, and the number of the first that are wanted. */
interface Ranking<R> {
  readonly compare: (a: R, b: R) => number;
  readonly descending: boolean;
  readonly wanted: number;
}

/** Sorts hits, given in key order, by a rank. Who wants the first few of a million has no more than these sorted, a part at a time. */
function* takeFirstByRank<R>(
  loader: Loader,
  hits: readonly Hit[],
  { compare, descending, wanted }: Ranking<R>,
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
    // Stable: those that are kept lie before those that come later.
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

/** Whether keys come with their leases: etcd 3.7 does not read these, but where it needs the values for its sort. */
const shouldKeepLeases = ({ sortTarget }: RangeRequest): boolean => sortTarget === RangeRequest_SortTarget.VALUE;

/** The keys of hits without values, as `keys_only` asks for. */
function* keysOf(loader: Loader, hits: readonly Hit[], withLeases: boolean): Sliced<Uint8Array[]> {
  const kvs: Uint8Array[] = [];
  for (const hit of hits) {
    const state = hit.state ?? decodeKeyValue(loader.loadKeyValue(hit), hit.sub).state;
    kvs.push(encodeKeyValue(hit.entry.key, withLeases ? state : { ...state, lease: noLease }, noBytes));
    if (loader.shouldYield()) yield;
  }
  return kvs;
}

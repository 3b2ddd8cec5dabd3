// A store that is obviously correct: it keeps a full copy of all keys for every revision, and works on decoded messages.

import {
  Compare_CompareResult as Result,
  Compare_CompareTarget as On,
  KeyValue,
  RangeRequest_SortOrder as Order,
  RangeRequest_SortTarget as By,
  type Compare,
  type DeleteRangeRequest,
  type DeleteRangeResponse,
  type PutRequest,
  type PutResponse,
  type RangeRequest,
  type RangeResponse,
  type RequestOp,
  type ResponseHeader,
  type ResponseOp,
  type TxnRequest,
  type TxnResponse,
} from "../proto/index.js";
import type { StoreErrorCode } from "../store/index.js";

/** A refusal, which the real store throws as a StoreError. */
export class Refused extends Error {
  constructor(readonly code: StoreErrorCode) {
    super(code);
  }
}

/** A change of one key, as a watch reports it: the key after and before the change. A deleted key has no `after`. */
export interface NaiveChange {
  readonly key: string;
  readonly after: KeyValue | undefined;
  /** The key at the previous revision. */
  readonly before: KeyValue | undefined;
}

type Keys = ReadonlyMap<string, KeyValue>;

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** Returns a predicate for the keys of a request. */
function keyFilterOf(request: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array }): (key: string) => boolean {
  const [from, end] = [text(request.key), text(request.rangeEnd)];
  if (end === "") return (key) => key === from;
  return (key) => key >= from && (end === "\0" || key < end);
}

const sortByKey = (keys: Keys): KeyValue[] =>
  [...keys.values()].sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));

/** A copy of the keys that one request changes. */
class Draft {
  readonly keys: Map<string, KeyValue>;
  readonly changes: NaiveChange[] = [];

  constructor(
    private readonly before: Keys,
    private readonly startedAt: number,
    private readonly leases: ReadonlySet<bigint>,
  ) {
    this.keys = new Map(before);
  }

  get isChanged(): boolean {
    return this.changes.length > 0;
  }

  get revision(): number {
    return this.isChanged ? this.startedAt + 1 : this.startedAt;
  }

  put(request: PutRequest): PutResponse {
    if (request.lease !== 0n && !this.leases.has(request.lease)) throw new Refused("lease-not-found");
    const key = text(request.key);
    const before = this.keys.get(key);
    if (before === undefined && (request.ignoreValue || request.ignoreLease)) throw new Refused("key-not-found");
    const modRevision = BigInt(this.startedAt + 1);
    const after = {
      key: request.key,
      value: request.ignoreValue && before !== undefined ? before.value : request.value,
      createRevision: before?.createRevision ?? modRevision,
      modRevision,
      version: (before?.version ?? 0n) + 1n,
      lease: request.ignoreLease && before !== undefined ? before.lease : request.lease,
    };
    this.keys.set(key, after);
    this.changes.push({ key, after, before: this.before.get(key) });
    return { header: undefined, prevKv: request.prevKv ? before : undefined };
  }

  deleteRange(request: DeleteRangeRequest): DeleteRangeResponse {
    const gone = this.delete(({ key }) => keyFilterOf(request)(text(key)));
    return { header: undefined, deleted: BigInt(gone.length), prevKvs: request.prevKv ? gone : [] };
  }

  delete(isMeant: (kv: KeyValue) => boolean): KeyValue[] {
    const gone = sortByKey(this.keys).filter(isMeant);
    for (const key of gone.map((kv) => text(kv.key))) {
      this.keys.delete(key);
      this.changes.push({ key, after: undefined, before: this.before.get(key) });
    }
    return gone;
  }
}

/** A store in which every revision is a full copy of all keys. Slow, and a model of etcd's keys for checks. */
export class CopyingStore {
  /** The revision of the last compaction; -1: none. */
  compactRevision = -1;
  /** All keys at each revision from `base` on; the element 0 is empty. */
  private readonly copies: Keys[];
  /** The changes of each revision from `base` on, in order. */
  private readonly changes: (readonly NaiveChange[])[] = [[], []];
  private readonly base: number;
  private readonly leases = new Set<bigint>();

  /** @param revision the first revision that can be read @param keys all keys at that revision, by their bytes as characters */
  constructor(revision = 1, keys: ReadonlyMap<string, KeyValue> = new Map()) {
    this.base = revision - 1;
    this.copies = [new Map(), keys];
  }

  get revision(): number {
    return this.base + this.copies.length - 1;
  }

  put(request: PutRequest): PutResponse {
    return this.change((draft) => draft.put(request));
  }

  deleteRange(request: DeleteRangeRequest): DeleteRangeResponse {
    return this.change((draft) => draft.deleteRange(request));
  }

  txn(request: TxnRequest): TxnResponse {
    return this.change((draft) => {
      const path: boolean[] = [];
      this.choose(request, path);
      this.check(request, [...path]);
      return { ...this.run(draft, request, path), header: undefined };
    });
  }

  grantLease(id: bigint): void {
    if (this.leases.has(id)) throw new Refused("lease-exists");
    this.leases.add(id);
  }

  hasLease(id: bigint): boolean {
    return this.leases.has(id);
  }

  revokeLease(id: bigint): void {
    if (!this.leases.has(id)) throw new Refused("lease-not-found");
    this.deleteAttached(id);
    this.leases.delete(id);
  }

  /** Deletes the keys that are attached to a lease, but not the lease. */
  deleteAttached(id: bigint): void {
    this.change((draft) => draft.delete(({ lease }) => lease === id));
  }

  /** Returns all leases and their keys, in ascending order. */
  attachments(): Map<bigint, string[]> {
    const keysOf = (id: bigint): string[] =>
      sortByKey(this.now)
        .filter(({ lease }) => lease === id)
        .map(({ key }) => text(key));
    return new Map([...this.leases].sort(byValue).map((id) => [id, keysOf(id)]));
  }

  compact(revision: number): void {
    if (revision <= this.compactRevision) throw new Refused("compacted");
    if (revision > this.revision) throw new Refused("future-revision");
    this.compactRevision = revision;
  }

  range(request: RangeRequest): RangeResponse {
    const asked = Number(request.revision);
    if (asked > this.revision) throw new Refused("future-revision");
    if (asked > 0 && asked < this.compactRevision) throw new Refused("compacted");
    return rangeOf(asked > 0 ? this.at(asked) : this.now, request);
  }

  changesOf(revision: number): readonly NaiveChange[] {
    return this.changes[revision - this.base] ?? [];
  }

  /** All keys after the newest revision. */
  get now(): ReadonlyMap<string, KeyValue> {
    return this.at(this.revision);
  }

  private at(revision: number): Keys {
    return this.copies[revision - this.base] ?? new Map();
  }

  private change<T>(by: (draft: Draft) => T): T {
    const draft = new Draft(this.now, this.revision, this.leases);
    const response = by(draft);
    if (draft.isChanged) {
      this.copies.push(draft.keys);
      this.changes.push(draft.changes);
    }
    return response;
  }

  /** Appends to `path` which branch each nested transaction takes, in the order of execution. */
  private choose(request: TxnRequest, path: boolean[]): void {
    const succeeded = request.compare.every((compare) => isCompareTrue(this.now, compare));
    path.push(succeeded);
    for (const op of succeeded ? request.success : request.failure)
      if (op.request?.$case === "requestTxn") this.choose(op.request.value, path);
  }

  private chooseBranch(request: TxnRequest, path: boolean[]): readonly RequestOp[] {
    return path.shift() === true ? request.success : request.failure;
  }

  private check(request: TxnRequest, path: boolean[]): void {
    for (const { request: op } of this.chooseBranch(request, path)) {
      if (op?.$case === "requestTxn") this.check(op.value, path);
      else if (op?.$case === "requestPut") this.checkPut(op.value);
      else if (op?.$case === "requestRange") this.checkRange(op.value);
    }
  }

  private checkPut({ ignoreValue, ignoreLease, key, lease }: PutRequest): void {
    if (lease !== 0n && !this.leases.has(lease)) throw new Refused("lease-not-found");
    if ((ignoreValue || ignoreLease) && !this.now.has(text(key))) throw new Refused("key-not-found");
  }

  private checkRange({ revision }: RangeRequest): void {
    if (revision === 0n) return;
    if (revision > this.revision) throw new Refused("future-revision");
    if (revision < this.compactRevision) throw new Refused("compacted");
  }

  private run(draft: Draft, request: TxnRequest, path: boolean[]): TxnResponse {
    const succeeded = path[0] === true;
    const responses = this.chooseBranch(request, path).map(({ request: op }) => ({
      response: this.runOp(draft, op, path),
    }));
    return { header: headerAt(0), succeeded, responses };
  }

  private runOp(draft: Draft, op: RequestOp["request"], path: boolean[]): ResponseOp["response"] {
    switch (op?.$case) {
      case "requestPut": {
        const value = draft.put(op.value);
        return { $case: "responsePut", value: { ...value, header: headerAt(draft.revision) } };
      }
      case "requestDeleteRange": {
        const value = draft.deleteRange(op.value);
        return { $case: "responseDeleteRange", value: { ...value, header: headerAt(draft.revision) } };
      }
      case "requestRange": {
        const keys = op.value.revision > 0n ? this.at(Number(op.value.revision)) : draft.keys;
        const value = rangeOf(keys, op.value);
        return { $case: "responseRange", value: { ...value, header: headerAt(draft.revision) } };
      }
      case "requestTxn":
        return { $case: "responseTxn", value: this.run(draft, op.value, path) };
      case undefined:
        return undefined;
    }
  }
}

/** Compares bigints, for sorting. */
export const byValue = (a: bigint, b: bigint): number => (a < b ? -1 : 1);

const headerAt = (revision: number): ResponseHeader => ({
  clusterId: 0n,
  memberId: 0n,
  revision: BigInt(revision),
  raftTerm: 0n,
});

function rangeOf(keys: Keys, request: RangeRequest): RangeResponse {
  const { limit, sortOrder, sortTarget } = request;
  const within = sortByKey(keys).filter(({ key }) => keyFilterOf(request)(text(key)));
  const count = BigInt(within.length);
  if (request.countOnly) return { header: undefined, kvs: [], more: false, count };
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  const hasFilters = [minModRevision, maxModRevision, minCreateRevision, maxCreateRevision].some(
    (bound) => bound !== 0n,
  );
  const early = limit > 0n && sortOrder === Order.NONE && !hasFilters;
  const fetched = early ? within.slice(0, Number(limit) + 1) : within;
  const filtered = fetched.filter(
    ({ modRevision, createRevision }) =>
      (minModRevision === 0n || modRevision >= minModRevision) &&
      (maxModRevision === 0n || modRevision <= maxModRevision) &&
      (minCreateRevision === 0n || createRevision >= minCreateRevision) &&
      (maxCreateRevision === 0n || createRevision <= maxCreateRevision),
  );
  const sign = sortOrder === Order.DESCEND ? -1 : 1;
  const sorted = filtered.sort((a, b) => sign * compareBy(sortTarget, a, b));
  const more = limit > 0n && BigInt(sorted.length) > limit;
  const kept = more ? sorted.slice(0, Number(limit)) : sorted;
  const leaseOf = ({ lease }: KeyValue): bigint => (request.sortTarget === By.VALUE ? lease : 0n);
  const kvs = request.keysOnly ? kept.map((kv) => ({ ...kv, value: new Uint8Array(0), lease: leaseOf(kv) })) : kept;
  return { header: undefined, kvs, more, count };
}

function compareBy(target: By, a: KeyValue, b: KeyValue): number {
  if (target === By.KEY) return Buffer.compare(a.key, b.key);
  if (target === By.VALUE) return Buffer.compare(a.value, b.value);
  if (target === By.VERSION) return Number(a.version - b.version);
  return target === By.CREATE ? Number(a.createRevision - b.createRevision) : Number(a.modRevision - b.modRevision);
}

function isCompareTrue(keys: Keys, compare: Compare): boolean {
  const held = [...keys.values()].filter(({ key }) => keyFilterOf(compare)(text(key)));
  if (held.length === 0 && compare.target === On.VALUE) return false;
  return (held.length === 0 ? [KeyValue.create()] : held).every((kv) => isCompareTrueFor(kv, compare));
}

function isCompareTrueFor(kv: KeyValue, { target, result, targetUnion: given }: Compare): boolean {
  const number = (kind: string): bigint =>
    given?.$case === kind && typeof given.value === "bigint" ? given.value : 0n;
  const differences = {
    [On.VERSION]: kv.version - number("version"),
    [On.CREATE]: kv.createRevision - number("createRevision"),
    [On.MOD]: kv.modRevision - number("modRevision"),
    [On.LEASE]: kv.lease - number("lease"),
    [On.VALUE]: BigInt(Buffer.compare(kv.value, given?.$case === "value" ? given.value : new Uint8Array(0))),
  };
  const difference = differences[target];
  if (result === Result.EQUAL) return difference === 0n;
  if (result === Result.NOT_EQUAL) return difference !== 0n;
  return result === Result.GREATER ? difference > 0n : difference < 0n;
}

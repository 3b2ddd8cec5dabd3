// Get, put and delete: their options and results, alone or as steps of a transaction.
import {
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  counterFromResponse,
  type DeleteRangeRequest,
  type DeleteRangeResponse,
  type KeyValue as WireKeyValue,
  type PutRequest,
  type PutResponse,
  type RangeRequest,
  type RangeResponse,
} from "../../proto/index.js";
import { type Header, headerOf } from "../transport/index.js";
import type { KeySpace } from "./key-space.js";
import { intervalOf, maxOwnBytes, toOwnBytes, type Bytes, type KeyInterval } from "./keys.js";

/** A key with its value and metadata, as of one revision. @see etcd v3 API, mvccpb.KeyValue */
export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Revision of the put that created the key since its last deletion. */
  readonly createRevision: number;
  /** Revision of the last change. */
  readonly modRevision: number;
  /** 1 when created, +1 with each put. */
  readonly version: number;
  /** Id of the attached lease; 0n: none. */
  readonly lease: bigint;
}

/** The order in which a get returns keys. */
export interface KeyOrder {
  /** Default: by key. */
  readonly sortBy?: "key" | "version" | "createRevision" | "modRevision" | "value" | undefined;
  /** Default: ascending. */
  readonly order?: "ascending" | "descending" | undefined;
}

/** Inclusive bounds on the keys that a get returns; `count` still counts all keys of the interval. Absent or 0: no bound. */
export interface RevisionBounds {
  /** Lower bound of `modRevision`. */
  readonly minModRevision?: number | undefined;
  /** Upper bound of `modRevision`. */
  readonly maxModRevision?: number | undefined;
  /** Lower bound of `createRevision`. */
  readonly minCreateRevision?: number | undefined;
  /** Upper bound of `createRevision`. */
  readonly maxCreateRevision?: number | undefined;
}

/** Options of a get. @see etcd v3 API, RangeRequest */
export interface GetSettings extends KeyInterval, KeyOrder, RevisionBounds {
  /** Maximum number of keys to return. Absent or 0: all. */
  readonly limit?: number | undefined;
  /** Absent or 0: the newest. */
  readonly revision?: number | undefined;
  /** Answered by one member from its local state: fast, works without a quorum, and may be stale. */
  readonly serializable?: boolean | undefined;
  /** Omit the values: they are empty. */
  readonly keysOnly?: boolean | undefined;
  /** Return only `count`. */
  readonly countOnly?: boolean | undefined;
}

/** The keys that a get found. @see etcd v3 API, RangeResponse */
export interface GetResult {
  readonly header: Header;
  /** The keys, in the requested order. */
  readonly kvs: readonly KeyValue[];
  /** Whether `limit` omitted any keys. */
  readonly more: boolean;
  /** Number of keys in the interval, independent of `limit`. */
  readonly count: number;
}

/** Options of a put. @see etcd v3 API, PutRequest */
export interface PutSettings {
  /** Id of the lease to attach the key to. Absent or 0n: none. */
  readonly lease?: bigint | undefined;
  /** Return the previous key. */
  readonly prevKv?: boolean | undefined;
  /** Keep the current value of the key; the value argument must be empty. */
  readonly ignoreValue?: boolean | undefined;
  /** Keep the current lease of the key. */
  readonly ignoreLease?: boolean | undefined;
}

/** The answer to a put. @see etcd v3 API, PutResponse */
export interface PutResult {
  readonly header: Header;
  /** Absent if not requested, or if the key was new. */
  readonly prevKv: KeyValue | undefined;
}

/** Options of a delete. @see etcd v3 API, DeleteRangeRequest */
export interface DeleteSettings extends KeyInterval {
  /** Return the deleted keys. */
  readonly prevKv?: boolean | undefined;
}

/** The answer to a delete. @see etcd v3 API, DeleteRangeResponse */
export interface DeleteResult {
  readonly header: Header;
  /** Number of keys that were deleted. */
  readonly deleted: number;
  /** The deleted keys; empty if not requested. */
  readonly prevKvs: readonly KeyValue[];
}

const sortTargets = {
  key: RangeRequest_SortTarget.KEY,
  version: RangeRequest_SortTarget.VERSION,
  createRevision: RangeRequest_SortTarget.CREATE,
  modRevision: RangeRequest_SortTarget.MOD,
  value: RangeRequest_SortTarget.VALUE,
} as const;

const sortOrders = { ascending: RangeRequest_SortOrder.ASCEND, descending: RangeRequest_SortOrder.DESCEND } as const;

/**
 * Builds the request of a get.
 *
 * @throws TypeError if more than one way to choose keys is given
 * @throws RangeError if a number is not an integer
 */
export function rangeRequest(key: Bytes, options: GetSettings, keys: KeySpace): RangeRequest {
  return {
    ...keys.interval(intervalOf(key, options)),
    limit: BigInt(options.limit ?? 0),
    revision: BigInt(options.revision ?? 0),
    sortOrder: options.order === undefined ? RangeRequest_SortOrder.NONE : sortOrders[options.order],
    sortTarget: sortTargets[options.sortBy ?? "key"],
    serializable: options.serializable ?? false,
    keysOnly: options.keysOnly ?? false,
    countOnly: options.countOnly ?? false,
    minModRevision: BigInt(options.minModRevision ?? 0),
    maxModRevision: BigInt(options.maxModRevision ?? 0),
    minCreateRevision: BigInt(options.minCreateRevision ?? 0),
    maxCreateRevision: BigInt(options.maxCreateRevision ?? 0),
  };
}

/** Builds the request of a put. Keys and values of up to `maxOwnBytes` are copied: the caller may change its arrays at once. */
export const putRequest = (key: Bytes, value: Bytes, options: PutSettings, keys: KeySpace): PutRequest => ({
  key: keys.toAbsolute(toOwnBytes(key)),
  value: toOwnBytes(value),
  lease: options.lease ?? 0n,
  prevKv: options.prevKv ?? false,
  ignoreValue: options.ignoreValue ?? false,
  ignoreLease: options.ignoreLease ?? false,
});

/**
 * Returns a put that a server in the same process can take without encoding; undefined if the put is large, or has a field that
 * the encoder would change or refuse.
 */
export const toSharedPut = (request: PutRequest): PutRequest | undefined => {
  const { key, value, lease, prevKv, ignoreValue, ignoreLease } = request;
  if (key.length > maxOwnBytes || value.length > maxOwnBytes) return undefined;
  if (typeof lease !== "bigint" || BigInt.asIntN(64, lease) !== lease) return undefined;
  return isBoolean(prevKv) && isBoolean(ignoreValue) && isBoolean(ignoreLease) ? request : undefined;
};

const isBoolean = (value: unknown): boolean => typeof value === "boolean";

/**
 * Builds the request of a delete.
 *
 * @throws TypeError if more than one way to choose keys is given
 */
export const deleteRequest = (key: Bytes, options: DeleteSettings, keys: KeySpace): DeleteRangeRequest => ({
  ...keys.interval(intervalOf(key, options)),
  prevKv: options.prevKv ?? false,
});

/** Reads the answer to a get. */
export const getResult = (response: RangeResponse, keys: KeySpace): GetResult => ({
  header: headerOf(response.header),
  kvs: response.kvs.map((kv) => keyValueOf(kv, keys)),
  more: response.more,
  count: counterFromResponse(response.count),
});

/** Reads the answer to a put. */
export const putResult = (response: PutResponse, keys: KeySpace): PutResult => ({
  header: headerOf(response.header),
  prevKv: response.prevKv && keyValueOf(response.prevKv, keys),
});

/** Reads the answer to a delete. */
export const deleteResult = (response: DeleteRangeResponse, keys: KeySpace): DeleteResult => ({
  header: headerOf(response.header),
  deleted: counterFromResponse(response.deleted),
  prevKvs: response.prevKvs.map((kv) => keyValueOf(kv, keys)),
});

/** Reads a key, with counters as numbers. */
export const keyValueOf = (kv: WireKeyValue, keys: KeySpace): KeyValue => ({
  key: keys.toRelative(kv.key),
  value: kv.value,
  createRevision: counterFromResponse(kv.createRevision),
  modRevision: counterFromResponse(kv.modRevision),
  version: counterFromResponse(kv.version),
  lease: kv.lease,
});

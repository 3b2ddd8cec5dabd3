import {
  Compare_CompareResult as Result,
  Compare_CompareTarget as Target,
  KeyValue,
  LeaseGrantRequest,
  RangeRequest,
  RangeRequest_SortOrder as Order,
  RangeRequest_SortTarget as SortTarget,
  type RawRangeResponse,
  type RawTxnResponse,
  type RequestOp,
  WatchCreateRequest,
  WatchCreateRequest_FilterType as Filter,
} from "../../proto/index.js";
import { type Answer, type LeaseId, leaseIdFrom, type Revision } from "../../store/index.js";
import { type Caller, maxQueuedCalls, noBytes, ServerError } from "../base/index.js";
import type { Application } from "./application.js";
import { EventWatch } from "./event-watch.js";
import { resultOf } from "./result-of.js";

/** The operations that locks and elections use. */
export type QueueOperations = Pick<Application, "range" | "txn" | "deleteRange" | "leaseGrant" | "watch">;

/** The TTL of a lease that is granted to a request without a lease, in seconds; as in etcd. */
const ownLeaseSeconds = 60n;

/** A client's call until its answer or cancellation. */
export interface QueuedCall {
  readonly caller: Caller;
  /** Aborted when the client has canceled the call. */
  readonly signal: AbortSignal;
}

/** A place in a queue: a key, attached to the lease of its owner. */
export interface Place {
  readonly key: Uint8Array;
  readonly lease: LeaseId;
  /** The create revision of the key. */
  readonly revision: bigint;
  /** The value of the key, if the key existed before. */
  readonly found: Uint8Array | undefined;
  /** The store's revision at which the place was created. */
  readonly takenAt: Revision;
}

/** The result of a conditional change. */
export interface Changed {
  readonly isDone: boolean;
  /** The store's revision after the change. */
  readonly revision: Revision;
}

/**
 * Queues of keys with a common prefix, ordered by create revision. The owner of the first key holds the lock, or leads. etcd's
 * clients implement the same recipe by themselves, so both kinds of clients can share a queue.
 */
export class KeyQueue {
  private waiting = 0;

  constructor(private readonly operations: QueueOperations) {}

  /** Creates a place under `name`, or finds the existing place of the lease. A lease of 0: a new one is granted. */
  async enter(caller: Caller, name: Uint8Array, lease: LeaseId, value: Uint8Array): Promise<Place> {
    const own = lease === 0n ? await this.grant(caller) : lease;
    const key = Buffer.concat([queuePrefix(name), Buffer.from(own.toString(16))]);
    const put: RequestOp = {
      request: {
        $case: "requestPut",
        value: { key, value, lease: own, prevKv: false, ignoreValue: false, ignoreLease: false },
      },
    };
    const get: RequestOp = { request: { $case: "requestRange", value: RangeRequest.create({ key }) } };
    const { response, revision } = await this.txn(caller, compareCreateRevision(key, 0n), [put], [get]);
    if (response.succeeded) return { key, lease: own, revision: BigInt(revision), found: undefined, takenAt: revision };
    const there = firstOf(rangeIn(response));
    if (there === undefined)
      throw new Error(`Cannot enqueue: key ${Buffer.from(key).toString()} was deleted meanwhile`);
    return { key, lease: own, revision: there.createRevision, found: there.value, takenAt: revision };
  }

  /**
   * Waits until all places before `place` are deleted.
   *
   * @returns whether there were any
   * @throws the error that ends the wait, or the signal's reason
   */
  async whenFirst({ caller, signal }: QueuedCall, name: Uint8Array, place: Place): Promise<boolean> {
    if (this.waiting >= maxQueuedCalls) throw new ServerError("too-many-requests", `${maxQueuedCalls} calls wait`);
    this.waiting += 1;
    try {
      for (let hasWaited = false; ; hasWaited = true) {
        signal.throwIfAborted();
        const { response, revision } = await this.read(caller, {
          ...firstKeyRequest(name),
          sortOrder: Order.DESCEND,
          maxCreateRevision: place.revision - 1n,
        });
        const before = firstOf(response);
        if (before === undefined) return hasWaited;
        await this.whenDeleted({ caller, signal }, before.key, revision);
      }
    } finally {
      this.waiting -= 1;
    }
  }

  /** Reads the first place of the queue. */
  readFirst(caller: Caller, name: Uint8Array): Promise<Answer<RawRangeResponse>> {
    return this.read(caller, firstKeyRequest(name));
  }

  read(caller: Caller, request: Partial<RangeRequest>): Promise<Answer<RawRangeResponse>> {
    return resultOf(this.operations.range, caller, RangeRequest.create(request));
  }

  /** Changes a place if its create revision is `createRevision`. */
  async changeIf(caller: Caller, key: Uint8Array, createRevision: bigint, change: RequestOp): Promise<Changed> {
    const { response, revision } = await this.txn(caller, compareCreateRevision(key, createRevision), [change], []);
    return { isDone: response.succeeded, revision };
  }

  /** Deletes the place of a canceled call. If the deletion fails, the expiry of the lease deletes the key. */
  async leave(caller: Caller, { key, revision }: Pick<Place, "key" | "revision">): Promise<void> {
    await this.changeIf(caller, key, revision, deletionOf(key)).catch(() => undefined);
  }

  /** Counts a waiting call until its signal is aborted. @throws ServerError if there are too many */
  count(signal: AbortSignal): void {
    if (this.waiting >= maxQueuedCalls) throw new ServerError("too-many-requests", `${maxQueuedCalls} calls wait`);
    this.waiting += 1;
    signal.addEventListener("abort", () => (this.waiting -= 1), { once: true });
  }

  /** Watches keys until the event of `watch`, or until the signal is aborted. */
  async watch({ caller, signal }: QueuedCall, watch: EventWatch, request: Partial<WatchCreateRequest>): Promise<void> {
    signal.throwIfAborted();
    const stop = (): void => watch.onError(signal.reason);
    signal.addEventListener("abort", stop);
    try {
      watch.open(this.operations, caller, WatchCreateRequest.create(request));
      await watch.whenOver;
    } finally {
      signal.removeEventListener("abort", stop);
      watch.close();
    }
  }

  private whenDeleted(call: QueuedCall, key: Uint8Array, revision: number): Promise<void> {
    const watch = new EventWatch({ hasRoom: () => true, takeEvent: () => true });
    return this.watch(call, watch, { key, startRevision: BigInt(revision + 1), filters: [Filter.NOPUT] });
  }

  /** Grants a lease for a request without one. */
  async grant(caller: Caller): Promise<LeaseId> {
    const request = LeaseGrantRequest.create({ TTL: ownLeaseSeconds });
    return leaseIdFrom((await resultOf(this.operations.leaseGrant, caller, request)).response.ID);
  }

  private txn(
    caller: Caller,
    compare: ReturnType<typeof compareCreateRevision>,
    success: readonly RequestOp[],
    failure: readonly RequestOp[],
  ): Promise<Answer<RawTxnResponse>> {
    return resultOf(this.operations.txn, caller, { compare: [compare], success, failure });
  }
}

/** Returns the common prefix of the keys of a queue: its name and a slash. */
export const queuePrefix = (name: Uint8Array): Uint8Array => Buffer.concat([name, Buffer.from("/")]);

/** Returns the interval of a queue's keys. "0" is the byte after the slash: the name itself needs no increment. */
export const queueInterval = (name: Uint8Array): { readonly key: Uint8Array; readonly rangeEnd: Uint8Array } => ({
  key: queuePrefix(name),
  rangeEnd: Buffer.concat([name, Buffer.from("0")]),
});

const firstKeyRequest = (name: Uint8Array): Partial<RangeRequest> => ({
  ...queueInterval(name),
  limit: 1n,
  sortOrder: Order.ASCEND,
  sortTarget: SortTarget.CREATE,
});

const compareCreateRevision = (key: Uint8Array, revision: bigint) => ({
  result: Result.EQUAL,
  target: Target.CREATE,
  key,
  rangeEnd: noBytes,
  targetUnion: { $case: "createRevision" as const, value: revision },
});

/** Returns the first key of an answer, decoded. */
export const firstOf = ({ kvs: [first] }: Pick<RawRangeResponse, "kvs">): KeyValue | undefined =>
  first === undefined ? undefined : KeyValue.decode(first);

const rangeIn = ({ responses: [first] }: RawTxnResponse): Pick<RawRangeResponse, "kvs"> =>
  first?.response?.$case === "responseRange" ? first.response.value : { kvs: [] };

/** Returns the operation that deletes one key. */
export const deletionOf = (key: Uint8Array): RequestOp => ({
  request: { $case: "requestDeleteRange", value: { key, rangeEnd: noBytes, prevKv: false } },
});

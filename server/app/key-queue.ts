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
import type { Answer, Revision } from "../../store/index.js";
import { type Caller, maxQueuedCalls, ServerError } from "../base/index.js";
import type { Application } from "./application.js";
import { EventWatch } from "./event-watch.js";
import { resultOf } from "./result-of.js";

/** The operations that locks and elections are made of. */
export type QueueOperations = Pick<Application, "range" | "txn" | "deleteRange" | "leaseGrant" | "watch">;

/** Seconds that a lease lives which a request without one is given, as in etcd. */
const ownLeaseSeconds = 60n;

const noBytes = new Uint8Array();

/** A call of a client, until it has been answered or given up. */
export interface QueuedCall {
  readonly caller: Caller;
  /** Aborted when the client does not wait any more. */
  readonly signal: AbortSignal;
}

/** A place in a queue: a key of its own, which lives as long as its lease. */
export interface Place {
  readonly key: Uint8Array;
  readonly lease: bigint;
  /** Revision in which the key was created. */
  readonly revision: bigint;
  /** Value of the key, if it was there before. */
  readonly found: Uint8Array | undefined;
  /** The store's revision when the place was taken. */
  readonly takenAt: Revision;
}

/** The outcome of a change under a condition. */
export interface Changed {
  readonly isDone: boolean;
  /** The store's, after it. */
  readonly revision: Revision;
}

/**
 * Queues of keys with a common prefix, in the order in which they were created. The first one holds the lock, or leads: etcd's
 * recipe, which its clients also carry out by themselves, so both kinds of clients take turns.
 */
export class KeyQueue {
  private waiting = 0;

  constructor(private readonly operations: QueueOperations) {}

  /** Takes a place under `name`, or finds the one that the lease has already. A lease of 0: one is granted. */
  async enter(caller: Caller, name: Uint8Array, lease: bigint, value: Uint8Array): Promise<Place> {
    const own = lease === 0n ? await this.grant(caller) : lease;
    const key = Buffer.concat([queuePrefix(name), Buffer.from(own.toString(16))]);
    const put: RequestOp = {
      request: {
        $case: "requestPut",
        value: { key, value, lease: own, prevKv: false, ignoreValue: false, ignoreLease: false },
      },
    };
    const get: RequestOp = { request: { $case: "requestRange", value: RangeRequest.create({ key }) } };
    const { response, revision } = await this.txn(caller, created(key, 0n), [put], [get]);
    if (response.succeeded) return { key, lease: own, revision: BigInt(revision), found: undefined, takenAt: revision };
    const there = firstOf(rangeIn(response));
    if (there === undefined)
      throw new Error(`Cannot take a place: ${Buffer.from(key).toString()} was there and is not`);
    return { key, lease: own, revision: there.createRevision, found: there.value, takenAt: revision };
  }

  /**
   * Waits until all places of the queue before `place` are gone.
   *
   * @returns whether there were any
   * @throws what ends the wait, also the signal's reason
   */
  async untilFirst({ caller, signal }: QueuedCall, name: Uint8Array, place: Place): Promise<boolean> {
    if (this.waiting >= maxQueuedCalls) throw new ServerError("too-many-requests", `${maxQueuedCalls} calls wait`);
    this.waiting += 1;
    try {
      for (let hasWaited = false; ; hasWaited = true) {
        signal.throwIfAborted();
        const { response, revision } = await this.read(caller, {
          ...inQueue(name),
          sortOrder: Order.DESCEND,
          maxCreateRevision: place.revision - 1n,
        });
        const before = firstOf(response);
        if (before === undefined) return hasWaited;
        await this.untilDeleted({ caller, signal }, before.key, revision);
      }
    } finally {
      this.waiting -= 1;
    }
  }

  /** Reads the place that comes first. */
  first(caller: Caller, name: Uint8Array): Promise<Answer<RawRangeResponse>> {
    return this.read(caller, inQueue(name));
  }

  read(caller: Caller, request: Partial<RangeRequest>): Promise<Answer<RawRangeResponse>> {
    return resultOf(this.operations.range, caller, RangeRequest.create(request));
  }

  /** Changes a place, if its key was created in `createRevision`. */
  async changeIf(caller: Caller, key: Uint8Array, createRevision: bigint, change: RequestOp): Promise<Changed> {
    const { response, revision } = await this.txn(caller, created(key, createRevision), [change], []);
    return { isDone: response.succeeded, revision };
  }

  /** Gives up a place that nobody waits for any more. Should that fail, the end of the lease removes it. */
  async leave(caller: Caller, { key, revision }: Pick<Place, "key" | "revision">): Promise<void> {
    await this.changeIf(caller, key, revision, deletionOf(key)).catch(() => undefined);
  }

  /** Counts somebody who waits for as long as `signal` is not aborted. @throws ServerError if there are too many */
  count(signal: AbortSignal): void {
    if (this.waiting >= maxQueuedCalls) throw new ServerError("too-many-requests", `${maxQueuedCalls} calls wait`);
    this.waiting += 1;
    signal.addEventListener("abort", () => (this.waiting -= 1), { once: true });
  }

  /** Watches keys until `watch` has its event, or the signal is aborted. */
  async watch({ caller, signal }: QueuedCall, watch: EventWatch, request: Partial<WatchCreateRequest>): Promise<void> {
    signal.throwIfAborted();
    const stop = (): void => watch.onError(signal.reason);
    signal.addEventListener("abort", stop);
    try {
      watch.open(this.operations, caller, WatchCreateRequest.create(request));
      await watch.over;
    } finally {
      signal.removeEventListener("abort", stop);
      watch.close();
    }
  }

  private untilDeleted(call: QueuedCall, key: Uint8Array, revision: number): Promise<void> {
    const watch = new EventWatch({ hasRoom: () => true, take: () => true });
    return this.watch(call, watch, { key, startRevision: BigInt(revision + 1), filters: [Filter.NOPUT] });
  }

  /** Grants a lease to a request that names none. */
  async grant(caller: Caller): Promise<bigint> {
    const request = LeaseGrantRequest.create({ TTL: ownLeaseSeconds });
    return (await resultOf(this.operations.leaseGrant, caller, request)).response.ID;
  }

  private txn(
    caller: Caller,
    compare: ReturnType<typeof created>,
    success: readonly RequestOp[],
    failure: readonly RequestOp[],
  ): Promise<Answer<RawTxnResponse>> {
    return resultOf(this.operations.txn, caller, { compare: [compare], success, failure });
  }
}

/** The keys of a queue begin with its name and a slash. */
export const queuePrefix = (name: Uint8Array): Uint8Array => Buffer.concat([name, Buffer.from("/")]);

/** All keys of a queue. The slash is raised by one: no byte of the name has to be. */
export const queueInterval = (name: Uint8Array): { readonly key: Uint8Array; readonly rangeEnd: Uint8Array } => ({
  key: queuePrefix(name),
  rangeEnd: Buffer.concat([name, Buffer.from("0")]),
});

const inQueue = (name: Uint8Array): Partial<RangeRequest> => ({
  ...queueInterval(name),
  limit: 1n,
  sortOrder: Order.ASCEND,
  sortTarget: SortTarget.CREATE,
});

const created = (key: Uint8Array, revision: bigint) => ({
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

/** Makes the operation that deletes one key. */
export const deletionOf = (key: Uint8Array): RequestOp => ({
  request: { $case: "requestDeleteRange", value: { key, rangeEnd: noBytes, prevKv: false } },
});

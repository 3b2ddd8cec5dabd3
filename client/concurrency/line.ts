// The queue of keys under one name, one key for each lease, ordered by create revision: the layout of etcd's own locks and
// elections.
import { type Clock, CompactedError, EtcdError, retryUntil } from "../transport/index.js";
import {
  type Bytes,
  type Compare,
  type KeyValue,
  type Kv,
  toBytes,
  type TxnOp,
  type TxnOpResult,
} from "../kv/index.js";
import type { Watch, WatchOptions } from "../watch/index.js";

/** The parts of a client that a queue of keys uses. */
export interface LineServices {
  readonly kv: Kv;
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
  watch(key: Bytes, options: WatchOptions): Watch;
}

/** A place in the queue of keys. */
export interface Place {
  readonly key: Uint8Array;
  /** Create revision of the key, which orders the line. */
  readonly revision: number;
  /** Value of the key. */
  readonly value: Uint8Array;
}

/** Options of a get that make it return the oldest key. */
export const byAge = { prefix: true, sortBy: "createRevision", limit: 1 } as const;

/** The line of a lock or an election. Go's locks and elections of the same name use the same line. @see etcd, client/v3/concurrency */
export class Line {
  /** Prefix of all keys of the line: its name and a slash. */
  readonly prefix: Uint8Array;

  constructor(
    private readonly services: LineServices,
    private readonly name: Bytes,
  ) {
    this.prefix = concat(toBytes(name), toBytes("/"));
  }

  /** Returns the key of a lease: `<name>/<lease id in hex>`. */
  keyOf(lease: bigint): Uint8Array {
    return concat(this.prefix, toBytes(lease.toString(16)));
  }

  /**
   * Takes a place, or finds the place that this lease has already. Sent again until it is answered; a repetition has no second
   * effect.
   */
  async enter(lease: bigint, value: Bytes, signal: AbortSignal): Promise<{ ownPlace: Place; isFirst: boolean }> {
    const key = this.keyOf(lease);
    const first: TxnOp = { op: "get", key: this.prefix, ...byAge };
    const steps = {
      compare: [{ target: "createRevision", key, is: "=", than: 0 } satisfies Compare],
      success: [{ op: "put", key, value, lease } satisfies TxnOp, first],
      failure: [{ op: "get", key } satisfies TxnOp, first],
    };
    const { succeeded, responses, header } = await retryUntil(this.clock, { signal }, (limits) =>
      this.services.kv.txn(steps, limits),
    );
    const mine = succeeded ? undefined : kvOf(responses[0]);
    const ownPlace = { key, revision: mine?.createRevision ?? header.revision, value: mine?.value ?? toBytes(value) };
    // The get is after the put of the same transaction, so the line is not empty.
    return { ownPlace, isFirst: kvOf(responses[1])?.createRevision === ownPlace.revision };
  }

  /**
   * Waits until all earlier keys of the line are deleted.
   *
   * @throws EtcdError "aborted" if the key of this place has been deleted meanwhile
   */
  async whenFirst({ key, revision }: Place, signal: AbortSignal): Promise<void> {
    const before = { ...byAge, order: "descending", maxCreateRevision: revision - 1 } as const;
    for (;;) {
      const { kvs, header } = await retryUntil(this.clock, { signal }, (limits) =>
        this.services.kv.get(this.prefix, { ...before, ...limits }),
      );
      // Watch the key just before this one, not the first: each deletion then wakes one waiter only.
      if (kvs[0] === undefined) break;
      await this.untilDeleted(kvs[0].key, header.revision + 1, signal);
    }
    const own = await retryUntil(this.clock, { signal }, (limits) => this.services.kv.get(key, limits));
    if (own.kvs[0]?.createRevision !== revision)
      throw new EtcdError("aborted", `Lost the place in the queue of ${this.title}: its key was deleted`, "failed");
  }

  /** Reads the first key of the line at a revision, or now. @returns the key, and the revision of the read */
  async first(at: number | undefined, signal: AbortSignal | undefined): Promise<{ kv?: KeyValue; revision: number }> {
    const oldest = { ...byAge, revision: at };
    const { kvs, header } = await retryUntil(this.clock, { signal }, (limits) =>
      this.services.kv.get(this.prefix, { ...oldest, ...limits }),
    );
    return { ...(kvs[0] && { kv: kvs[0] }), revision: at ?? header.revision };
  }

  /** Gives up the place, if its key still exists. */
  async leave({ key, revision }: Place): Promise<void> {
    const compare = [{ target: "createRevision", key, is: "=", than: revision } satisfies Compare];
    const success = [{ op: "delete", key } satisfies TxnOp];
    await retryUntil(this.clock, { timeoutMs: this.services.requestTimeoutMs }, (limits) =>
      this.services.kv.txn({ compare, success }, limits),
    );
  }

  /** Gives up the place of a lease, if it has one: whether the request for the place was executed may be unknown. */
  async leaveIfThere(lease: bigint): Promise<void> {
    await retryUntil(this.clock, { timeoutMs: this.services.requestTimeoutMs }, (limits) =>
      this.services.kv.delete(this.keyOf(lease), limits),
    );
  }

  get clock(): Clock {
    return this.services.clock;
  }

  get title(): string {
    return typeof this.name === "string" ? this.name : Buffer.from(this.name).toString("latin1");
  }

  private async untilDeleted(key: Uint8Array, startRevision: number, signal: AbortSignal): Promise<void> {
    try {
      await using watch = this.services.watch(key, { startRevision, only: "delete", signal });
      await watch.batches().next();
    } catch (error) {
      if (!(error instanceof CompactedError)) throw error; // compacted: the caller reads the line again instead
    }
  }
}

const kvOf = (response: TxnOpResult | undefined): KeyValue | undefined =>
  response?.op === "get" ? response.kvs[0] : undefined;

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

// Barriers: programs wait until a barrier is released, or until a number of programs have arrived.
import { EtcdError, settleQuietly, type RequestOptions } from "../transport/index.js";
import { type Bytes, type KeyValue, toBytes } from "../kv/index.js";
import type { LeaseKeepAlive } from "../lease/index.js";
import type { LockServices } from "./lock.js";
import { defaultTtlSeconds, type PlaceOptions } from "./first-place.js";
import type { WaitOptions } from "./wait-limit.js";
import { readUntil, uniqueName, untilChanged, runWait } from "./waiting.js";

/**
 * A barrier: programs that wait at the barrier continue when it is released. Layout of etcd's recipes: one key of this name.
 *
 * @see etcd, contrib/recipes: Barrier
 */
export class Barrier {
  constructor(
    private readonly services: LockServices,
    private readonly name: Bytes,
  ) {}

  /** Sets the barrier up. @throws EtcdError "already-exists" if it is set up already */
  async hold(options: RequestOptions = {}): Promise<void> {
    const compare = [{ target: "version", key: this.name, is: "=", than: 0 } as const];
    const success = [{ op: "put", key: this.name, value: "" } as const];
    const { succeeded } = await this.services.kv.txn({ compare, success }, options);
    if (!succeeded)
      throw new EtcdError("already-exists", "Cannot hold the barrier: another program holds it", "failed");
  }

  /** Releases the barrier: all waiting programs continue, and later programs do not wait. */
  async release(options: RequestOptions = {}): Promise<void> {
    await this.services.kv.delete(this.name, options);
  }

  /** Waits until the barrier is released; returns at once if it is not set up. @throws EtcdError "cancelled" or "deadline-exceeded" */
  wait(options: WaitOptions = {}): Promise<void> {
    return runWait(this.services, this.name, options, async (signal) => {
      for (;;) {
        const { kvs, header } = await readUntil(this.services, this.name, {}, signal);
        if (kvs.length === 0) return;
        const startRevision = header.revision + 1;
        await untilChanged(this.services, this.name, { only: "delete", startRevision }, signal);
      }
    });
  }
}

/**
 * A barrier that a number of programs enter together and leave together. A program that dies inside leaves when its lease
 * expires. Layout of etcd's recipes: `<name>/waiters/<nanoseconds>` for each program, and `<name>/ready`.
 *
 * @see etcd, contrib/recipes: DoubleBarrier
 */
export class DoubleBarrier {
  private readonly waiters: Uint8Array;
  private readonly ready: Uint8Array;
  private place: { readonly key: Uint8Array; readonly lease: LeaseKeepAlive; readonly ownsLease: boolean } | undefined;

  /** @throws RangeError if the number of programs is not an integer above 0 */
  constructor(
    private readonly services: LockServices,
    private readonly name: Bytes,
    private readonly count: number,
  ) {
    if (!Number.isInteger(count) || count < 1) throw new RangeError(`Cannot make a barrier of ${count} programs`);
    const keyUnder = (rest: string) => new Uint8Array(Buffer.concat([toBytes(name), toBytes(rest)]));
    this.waiters = keyUnder("/waiters/");
    this.ready = keyUnder("/ready");
  }

  /**
   * Waits until all have entered.
   *
   * @throws LeaseLostError if the lease is lost first; EtcdError "failed-precondition" if too many programs have entered or this
   * object has entered already, "cancelled" or "deadline-exceeded" if waiting is given up: the place is given up, too
   */
  async enter(options: PlaceOptions = {}): Promise<void> {
    if (this.place !== undefined)
      throw new EtcdError("failed-precondition", "This barrier has been entered already", "failed");
    await runWait(this.services, this.name, options, async (signal, limit) => {
      const ttlSeconds = options.ttlSeconds ?? defaultTtlSeconds;
      const lease = options.lease ?? (await this.services.lease.hold({ ttlSeconds, signal }));
      const key = new Uint8Array(Buffer.concat([this.waiters, toBytes(uniqueName())]));
      this.place = { key, lease, ownsLease: lease !== options.lease };
      try {
        limit.endWith(lease);
        const { header } = await this.services.kv.put(key, "", { lease: lease.id, signal });
        await this.whenReady(header.revision, signal);
      } catch (error) {
        await settleQuietly(this.giveUpPlace());
        throw error;
      }
    });
  }

  /** Waits until all have left. @throws EtcdError "cancelled" or "deadline-exceeded": the place is given up then, too */
  async leave(options: WaitOptions = {}): Promise<void> {
    const { place } = this;
    if (place === undefined) return;
    try {
      await runWait(this.services, this.name, options, (signal) => this.whenLeft(place.key, signal));
    } finally {
      await this.giveUpPlace();
    }
  }

  private async whenReady(entered: number, signal: AbortSignal): Promise<void> {
    const { count } = await readUntil(
      this.services,
      this.waiters,
      { prefix: true, maxCreateRevision: entered },
      signal,
    );
    if (count > this.count)
      throw new EtcdError("failed-precondition", `More than ${this.count} programs have entered the barrier`, "failed");
    if (count === this.count) await this.services.kv.put(this.ready, "", { signal });
    for (;;) {
      const { kvs, header } = await readUntil(this.services, this.ready, {}, signal);
      if (kvs[0] !== undefined && kvs[0].modRevision > entered) return;
      const startRevision = header.revision + 1;
      await untilChanged(this.services, this.ready, { only: "put", startRevision }, signal);
    }
  }

  private async whenLeft(own: Uint8Array, signal: AbortSignal): Promise<void> {
    for (;;) {
      const byAge = { prefix: true, sortBy: "createRevision", order: "ascending" } as const;
      const { kvs, header } = await readUntil(this.services, this.waiters, byAge, signal);
      const [oldest, newest] = [kvs[0], kvs.at(-1)];
      if (oldest === undefined || newest === undefined) return;
      const isOldest = isKey(oldest, own);
      if (kvs.length === 1 && isOldest) {
        const gone = [this.ready, own].map((key) => ({ op: "delete", key }) as const);
        await this.services.kv.txn({ success: gone }, { signal });
        return;
      }
      // The program with the oldest key waits for the newest key to go; all others delete their keys at once, and wait for the
      // oldest.
      if (!isOldest) await this.services.kv.delete(own, { signal });
      const awaited = isOldest ? newest.key : oldest.key;
      const startRevision = header.revision + 1;
      await untilChanged(this.services, awaited, { only: "delete", startRevision }, signal);
    }
  }

  private async giveUpPlace(): Promise<void> {
    const { place } = this;
    this.place = undefined;
    if (place?.ownsLease === true) await place.lease.close();
    else if (place !== undefined) await this.services.kv.delete(place.key);
  }
}

const isKey = ({ key }: KeyValue, own: Uint8Array): boolean => Buffer.compare(key, own) === 0;

// Locks: one holder at a time; waiting clients get the lock in order.
import type { Bytes } from "../kv/index.js";
import type { Lease } from "../lease/index.js";
import { Line, type LineServices } from "./line.js";
import { Holder, takeFirstPlace, type PlaceOptions } from "./first-place.js";

/** Options of `Client.lock`. */
export type LockOptions = PlaceOptions;

/**
 * A lock that is held: `await using lock = await client.lock("/locks/printer")`. The lock's key is attached to a lease, so the
 * lock ends when the lease of a dead or disconnected holder expires. A disconnected holder must stop by itself: `signal` and
 * `condition` are for that. Go's `concurrency.Mutex` and this lock exclude each other if they have the same name.
 */
export class Lock extends Holder implements AsyncDisposable {
  /**
   * Releases the lock. May be called twice, and again after a failure.
   *
   * @throws EtcdError if no server answers: the lock then ends with its lease
   */
  release(): Promise<void> {
    return this.place.leaveQueue();
  }

  /** Releases the lock. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

/** The parts of a client that locks and elections use. */
export type LockServices = LineServices & { readonly lease: Lease };

/** Waits for the lock of a name, as documented at `Client.lock`. */
export async function lock(services: LockServices, name: Bytes, options: LockOptions): Promise<Lock> {
  return new Lock(await takeFirstPlace(services.lease, new Line(services, name), "", options));
}

class Busy extends Error {}

/**
 * Takes the lock of a name if it is free, as documented at `Client.tryLock`.
 *
 * @returns undefined if another client holds the lock or waits for it
 */
export async function tryLock(services: LockServices, name: Bytes, options: LockOptions): Promise<Lock | undefined> {
  const isBusy = () => Promise.reject(new Busy());
  try {
    return new Lock(await takeFirstPlace(services.lease, new Line(services, name), "", options, isBusy));
  } catch (error) {
    if (error instanceof Busy) return undefined;
    throw error;
  }
}

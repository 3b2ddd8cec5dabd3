// Locks: one holder at a time, those who wait served in order.
import type { Bytes } from "../kv/index.js";
import type { Lease } from "../lease/index.js";
import { Line, type LineServices } from "./line.js";
import { Held, takeTurn, type TurnOptions } from "./turn.js";

/** Options of `Client.lock`. */
export type LockOptions = TurnOptions;

/**
 * A lock that is held: `await using lock = await client.lock("/locks/printer")`. Its key is attached to a lease, so it ends with its
 * holder, and a disconnected holder must stop by itself: pass `lost` to its requests, or let the cluster check with `held`.
 * Go's `concurrency.Mutex` of the same name excludes it and is excluded by it.
 */
export class Lock extends Held implements AsyncDisposable {
  /** Releases the lock. May be called twice, and again when it fails. @throws EtcdError if no server answers: the lock then ends with its lease */
  release(): Promise<void> {
    return this.turn.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

/** The parts of a client that locks and elections use. */
export type LockServices = LineServices & { readonly lease: Lease };

/** Waits for the lock of a name, as `Client.lock` says. */
export async function lock(services: LockServices, name: Bytes, options: LockOptions): Promise<Lock> {
  return new Lock(await takeTurn(services.lease, new Line(services, name), "", options));
}

class Busy extends Error {}

/**
 * Takes the lock of a name if it is free, as `Client.tryLock` says.
 *
 * @returns undefined if it is held or waited for
 */
export async function tryLock(services: LockServices, name: Bytes, options: LockOptions): Promise<Lock | undefined> {
  const isBusy = () => Promise.reject(new Busy());
  try {
    return new Lock(await takeTurn(services.lease, new Line(services, name), "", options, isBusy));
  } catch (error) {
    if (error instanceof Busy) return undefined;
    throw error;
  }
}

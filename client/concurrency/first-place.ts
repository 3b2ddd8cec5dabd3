// Waits in the queue of a lock or an election, and represents the held lock or leadership.
import { EtcdError, settleQuietly } from "../transport/index.js";
import type { Bytes, Compare } from "../kv/index.js";
import type { LeaseKeepAlive, Lease } from "../lease/index.js";
import type { Place, Line } from "./line.js";
import { WaitLimit, type WaitOptions } from "./wait-limit.js";

/** Options of a lock or of a campaign. */
export interface PlaceOptions extends WaitOptions {
  /** TTL of the lease, after which other clients get the first place if this process dies. Default: 60. Excludes `lease`. */
  readonly ttlSeconds?: number | undefined;
  /** The lease to use; it is kept when the place is left. A lease can have one place per name at a time. */
  readonly lease?: LeaseKeepAlive | undefined;
}

/** TTL of a session in etcd's Go client. */
export const defaultTtlSeconds = 60;

/** The first place in the queue of a lock or an election, and the lease of its key. */
export class FirstPlace {
  /** Aborted when the place is lost, or ended by this client. */
  readonly signal: AbortSignal;
  private readonly ending = new AbortController();
  private hasEnded = false;

  constructor(
    readonly line: Line,
    readonly ownPlace: Place,
    readonly lease: LeaseKeepAlive,
    private readonly ownsLease: boolean,
  ) {
    this.signal = AbortSignal.any([lease.lossSignal, this.ending.signal]);
  }

  /** A condition for transactions, which is met only while the place is held. */
  get condition(): Compare {
    return { target: "createRevision", key: this.ownPlace.key, is: "=", than: this.ownPlace.revision };
  }

  /** Leaves the place, so that the next key in the queue gets it. May be called twice, and again after a failure. */
  async leaveQueue(): Promise<void> {
    this.ending.abort(new EtcdError("cancelled", `Left the queue of ${this.line.title}`, "failed"));
    if (this.hasEnded || this.lease.lossSignal.aborted) return; // the server has revoked a lost lease, or is about to
    if (this.ownsLease) await this.lease.close();
    else await this.line.leave(this.ownPlace);
    this.hasEnded = true;
  }
}

/** A lock or a leadership, held while its key has the first place. */
export abstract class Holder {
  constructor(protected readonly place: FirstPlace) {}

  /** The key of this holder. */
  get key(): Uint8Array {
    return this.place.ownPlace.key;
  }

  /** The fencing token, which grows with every holder: the protected resource can refuse requests of former holders. */
  get revision(): number {
    return this.place.ownPlace.revision;
  }

  /** Aborted when the lease is lost; unlike `signal`, not when the lock or leadership is released. */
  get lossSignal(): AbortSignal {
    return this.place.lease.lossSignal;
  }

  /**
   * Aborted when the lock or leadership is released, or lost with its lease: measured by the local monotonic clock, shortly
   * before other clients can get it. Pass it to every request that only the holder may make. It is not aborted when another
   * client deletes the key: `condition` in a transaction detects that, too.
   */
  get signal(): AbortSignal {
    return this.place.signal;
  }

  /** A condition for a transaction, which is met only while this holder has the first place. */
  get condition(): Compare {
    return this.place.condition;
  }
}

/**
 * Joins the queue of keys and waits for the first place.
 *
 * @param whenBusy called if other keys are before ours; if it fails, the key is deleted
 * @throws LeaseLostError if the lease is lost first, EtcdError "cancelled" or "deadline-exceeded" if waiting is given up,
 * TypeError if both `lease` and `ttlSeconds` are given
 */
export async function takeFirstPlace(
  leases: Lease,
  line: Line,
  value: Bytes,
  options: PlaceOptions,
  whenBusy: (ownPlace: Place, signal: AbortSignal) => Promise<void> = (...place) => line.whenFirst(...place),
): Promise<FirstPlace> {
  if (options.lease !== undefined && options.ttlSeconds !== undefined)
    throw new TypeError(`Cannot wait for ${line.title}: give either a lease or ttlSeconds`);
  const limit = new WaitLimit(line.title, line.clock, options);
  let lease = options.lease;
  try {
    lease ??= await leases.hold({ ttlSeconds: options.ttlSeconds ?? defaultTtlSeconds, signal: limit.signal });
    limit.endWith(lease);
    const { ownPlace, isFirst } = await line.enter(lease.id, value, limit.signal);
    if (!isFirst) await whenBusy(ownPlace, limit.signal);
    return new FirstPlace(line, ownPlace, lease, lease !== options.lease);
  } catch (error) {
    // If this fails, the key is deleted a little later, when the lease expires.
    if (lease !== undefined) await settleQuietly(lease === options.lease ? line.leaveIfThere(lease.id) : lease.close());
    throw limit.reason ?? error;
  } finally {
    limit.close();
  }
}

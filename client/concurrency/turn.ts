// Waiting in line until it is one's turn, and what one has then.
import { EtcdError, quietly } from "../transport/index.js";
import type { Bytes, Compare } from "../kv/index.js";
import type { LeaseKeepAlive, Lease } from "../lease/index.js";
import type { Entry, Line } from "./line.js";
import { WaitLimit, type WaitOptions } from "./wait-limit.js";

/** Options of a lock or of a campaign. */
export interface TurnOptions extends WaitOptions {
  /** TTL of the lease, after which others go on if this process dies. Default: 60. Excludes `lease`. */
  readonly ttlSeconds?: number | undefined;
  /** A lease to do it under, which stays when the turn is over. Under one lease there is one turn at a time. */
  readonly lease?: LeaseKeepAlive | undefined;
}

/** TTL of a session in etcd's Go client. */
export const defaultTtlSeconds = 60;

/** The first place in the queue of a lock or an election. */
export class Turn {
  /** Raised when the turn is lost, or is ended here. */
  readonly signal: AbortSignal;
  private readonly ending = new AbortController();
  private hasEnded = false;

  constructor(
    readonly line: Line,
    readonly entry: Entry,
    readonly lease: LeaseKeepAlive,
    private readonly ownsLease: boolean,
  ) {
    this.signal = AbortSignal.any([lease.lost, this.ending.signal]);
  }

  /** Holds as long as the turn does, to be checked in the transaction that needs it. */
  get condition(): Compare {
    return { target: "createRevision", key: this.entry.key, is: "=", than: this.entry.revision };
  }

  /** Lets the next one have it. May be called twice, and again when it fails. */
  async end(): Promise<void> {
    this.ending.abort(new EtcdError("cancelled", `Left the queue of ${this.line.title}`, "failed"));
    if (this.hasEnded || this.lease.lost.aborted) return; // a lost lease the server has ended, or is about to
    if (this.ownsLease) await this.lease.close();
    else await this.line.leave(this.entry);
    this.hasEnded = true;
  }
}

/** A lock or a leadership that is held while the turn lasts. */
export abstract class Held {
  constructor(protected readonly turn: Turn) {}

  /** The key that stands for this holder. */
  get key(): Uint8Array {
    return this.turn.entry.key;
  }

  /** The fencing token, which grows with every holder: whoever keeps what is protected can refuse a holder that is late. */
  get revision(): number {
    return this.turn.entry.revision;
  }

  /** Raised when the lease is lost, and all with it, shortly before others can have it. */
  get lost(): AbortSignal {
    return this.turn.lease.lost;
  }

  /**
   * Raised when this is not held any more: released, or lost with its lease, by the local monotonic clock shortly before others can
   * have it. Goes with every request that must be made only by the holder. Not raised when somebody deletes the key that holds it:
   * `held` in a transaction finds that out, too.
   */
  get signal(): AbortSignal {
    return this.turn.signal;
  }

  /** A condition for a transaction: it does its work only while this holder has it. */
  get held(): Compare {
    return this.turn.condition;
  }
}

/**
 * Takes a place in line and waits for the turn.
 *
 * @param whenBusy what to do while others are before us; the place is given up if it fails
 * @throws LeaseLostError if the lease is lost first, EtcdError "cancelled" or "deadline-exceeded" if waiting is given up,
 * TypeError if both `lease` and `ttlSeconds` are given
 */
export async function takeTurn(
  leases: Lease,
  line: Line,
  value: Bytes,
  options: TurnOptions,
  whenBusy: (entry: Entry, signal: AbortSignal) => Promise<void> = (...place) => line.untilFirst(...place),
): Promise<Turn> {
  if (options.lease !== undefined && options.ttlSeconds !== undefined)
    throw new TypeError(`Cannot wait for ${line.title}: give either a lease or ttlSeconds`);
  const limit = new WaitLimit(line.title, line.clock, options);
  let lease = options.lease;
  try {
    lease ??= await leases.hold({ ttlSeconds: options.ttlSeconds ?? defaultTtlSeconds, signal: limit.signal });
    limit.endWith(lease);
    const { entry, isFirst } = await line.enter(lease.id, value, limit.signal);
    if (!isFirst) await whenBusy(entry, limit.signal);
    return new Turn(line, entry, lease, lease !== options.lease);
  } catch (error) {
    // Failing that, the place goes with the lease, a little later.
    if (lease !== undefined) await quietly(lease === options.lease ? line.leaveIfThere(lease.id) : lease.close());
    throw limit.reason ?? error;
  } finally {
    limit.close();
  }
}

import { DamagedError, type Key, type LeaseId, LeaseNotFoundError, noLease } from "../base/index.js";
import type { Pause } from "../disk/index.js";
import { SortedKeys } from "./sorted-keys.js";

/** A lease. A revoke deletes the keys of the lease. The lease keeper decides when a lease expires, because the store has no clock. */
export interface Lease {
  readonly id: LeaseId;
  /** The TTL: the seconds after which the lease expires without a keep-alive. */
  readonly ttlSeconds: number;
  /** Distinguishes the lease from earlier and later leases with the same id; chosen by the caller that grants it. */
  readonly generation: number;
  /** The remaining seconds at the last checkpoint; undefined: the TTL. */
  readonly remainingSeconds?: number | undefined;
}

interface LeaseEntry extends Lease {
  readonly keys: SortedKeys;
}

/** All leases, and the keys attached to each: the keys whose newest KeyValues have the id of the lease. */
export class Leases {
  private readonly entries = new Map<LeaseId, LeaseEntry>();

  /** Returns a copy of the leases and their keys for another store. */
  copy(): Leases {
    const copy = new Leases();
    for (const [id, entry] of this.entries) copy.entries.set(id, { ...entry, keys: entry.keys.copy() });
    return copy;
  }

  get size(): number {
    return this.entries.size;
  }

  get(id: LeaseId): Lease | undefined {
    return this.entries.get(id);
  }

  /** Returns the leases in the order of their grants; after a restart, by id. */
  list(): Iterable<Lease> {
    return this.entries.values();
  }

  /** Returns the number of attached keys; 0 for a lease that does not exist. */
  countKeys(id: LeaseId): number {
    return this.entries.get(id)?.keys.size ?? 0;
  }

  /** Returns the first attached key at or above `from`; undefined: there is none, or no such lease. A binary search, also for many keys. */
  findKeyFrom(id: LeaseId, from: Key): Key | undefined {
    return this.entries.get(id)?.keys.findFirstFrom(from);
  }

  /** Returns the attached keys, ascending. @throws LeaseNotFoundError */
  listKeys(id: LeaseId): readonly Key[] {
    const entry = this.entries.get(id);
    if (entry === undefined) throw new LeaseNotFoundError(id);
    return entry.keys.list();
  }

  /** Checks the lease of a put: a lease that exists, or "no lease". @throws LeaseNotFoundError */
  check(id: LeaseId): void {
    if (id !== noLease && !this.entries.has(id)) throw new LeaseNotFoundError(id);
  }

  add({ id, ttlSeconds, generation, remainingSeconds }: Lease): void {
    this.entries.set(id, { id, ttlSeconds, generation, remainingSeconds, keys: new SortedKeys() });
  }

  /** Sets the remaining time of a lease; undefined: the TTL. @returns the changed lease; undefined: there is no such lease */
  checkpoint(id: LeaseId, remainingSeconds: number | undefined): Lease | undefined {
    const entry = this.entries.get(id);
    if (entry === undefined) return undefined;
    const changed = { ...entry, remainingSeconds };
    this.entries.set(id, changed);
    return changed;
  }

  /** Removes a lease. The caller has deleted its keys. */
  remove(id: LeaseId): void {
    this.entries.delete(id);
  }

  /** Moves a key from one lease to another, after a change of the key or an undo; `noLease`: the key has no lease, or does not exist. */
  move(key: Key, { from, to }: { readonly from: LeaseId; readonly to: LeaseId }): void {
    if (from === to) return;
    if (from !== noLease) this.entries.get(from)?.keys.delete(key);
    if (to !== noLease) this.entries.get(to)?.keys.add(key);
  }
}

/** The keys that are attached to their leases in one slice. */
const keysPerSlice = 1_000;

/** The leases of keys, gathered while a start reads the changes on disk from the oldest to the newest: the last change of a key counts. */
export class Attachments {
  private readonly leaseOf = new Map<Key, LeaseId>();

  /** Adds the lease of a change. */
  note(key: Key, lease: LeaseId): void {
    if (lease !== noLease) this.leaseOf.set(key, lease);
    else if (this.leaseOf.size > 0) this.leaseOf.delete(key);
  }

  /**
   * Attaches the keys to their leases, in slices.
   *
   * @throws DamagedError if a key has a lease that does not exist
   */
  async attachTo(leases: Leases, place: string, pause: Pause): Promise<void> {
    let attached = 0;
    for (const [key, lease] of this.leaseOf) {
      if (leases.get(lease) === undefined)
        throw new DamagedError(place, `key ${JSON.stringify(key)} has lease ${lease}, which is missing`);
      leases.move(key, { from: noLease, to: lease });
      if (++attached % keysPerSlice === 0) await pause();
    }
  }
}

import { DamagedError, type Key, type LeaseId, LeaseNotFoundError, noLease } from "../base/index.js";
import type { Pace } from "../disk/index.js";
import { SortedKeys } from "./sorted-keys.js";

/** A lease. Its keys are deleted on revoke; expiry is decided outside the store, which has no clock. */
export interface Lease {
  readonly id: LeaseId;
  /** TTL: seconds that the lease lives without a keep-alive. */
  readonly ttlSeconds: number;
  /** Tells it from later leases of the same id; given by whoever grants it. */
  readonly generation: number;
  /** Seconds that it had left at its last checkpoint; undefined: its TTL. */
  readonly remainingSeconds?: number | undefined;
}

interface LeaseEntry extends Lease {
  readonly keys: SortedKeys;
}

/** All leases, and the keys attached to each: every key whose newest KeyValue names it. */
export class Leases {
  private readonly entries = new Map<LeaseId, LeaseEntry>();

  /** Returns the same leases, with their keys, for another store. */
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

  /** Leases in the order in which they were granted; after a restart by id. */
  list(): Iterable<Lease> {
    return this.entries.values();
  }

  /** Number of keys that are attached; 0 for a lease that does not exist. */
  keyCount(id: LeaseId): number {
    return this.entries.get(id)?.keys.size ?? 0;
  }

  /** The first key attached at or after `from`; undefined: there is none, or no such lease. Takes no longer for many keys. */
  firstKeyOf(id: LeaseId, from: Key): Key | undefined {
    return this.entries.get(id)?.keys.firstFrom(from);
  }

  /** The keys attached now, ascending. @throws LeaseNotFoundError */
  listKeys(id: LeaseId): readonly Key[] {
    const entry = this.entries.get(id);
    if (entry === undefined) throw new LeaseNotFoundError(id);
    return entry.keys.list();
  }

  /** @throws LeaseNotFoundError unless it exists, or is "no lease" */
  check(id: LeaseId): void {
    if (id !== noLease && !this.entries.has(id)) throw new LeaseNotFoundError(id);
  }

  add({ id, ttlSeconds, generation, remainingSeconds }: Lease): void {
    this.entries.set(id, { id, ttlSeconds, generation, remainingSeconds, keys: new SortedKeys() });
  }

  /** Sets the time that a lease has left; undefined: its TTL. @returns the lease; undefined if there is none */
  checkpoint(id: LeaseId, remainingSeconds: number | undefined): Lease | undefined {
    const entry = this.entries.get(id);
    if (entry === undefined) return undefined;
    const changed = { ...entry, remainingSeconds };
    this.entries.set(id, changed);
    return changed;
  }

  /** Removes a lease whose keys are deleted. */
  remove(id: LeaseId): void {
    this.entries.delete(id);
  }

  /** A key has another lease now, or none, or went away; or that is taken back. */
  move(key: Key, { from, to }: { readonly from: LeaseId; readonly to: LeaseId }): void {
    if (from === to) return;
    if (from !== noLease) this.entries.get(from)?.keys.delete(key);
    if (to !== noLease) this.entries.get(to)?.keys.add(key);
  }
}

/** Keys that are attached to their leases before others run. */
const keysPerSlice = 1_000;

/** Gathers which key has which lease while the changes on disk are read: only the newest of each key counts. */
export class Attachments {
  private readonly leaseOf = new Map<Key, LeaseId>();

  note(key: Key, lease: LeaseId): void {
    if (lease !== noLease) this.leaseOf.set(key, lease);
    else if (this.leaseOf.size > 0) this.leaseOf.delete(key);
  }

  /**
   * Attaches the keys to their leases, in slices.
   *
   * @throws DamagedError if a key has a lease that does not exist
   */
  async attachTo(leases: Leases, place: string, pace: Pace): Promise<void> {
    let attached = 0;
    for (const [key, lease] of this.leaseOf) {
      if (leases.get(lease) === undefined)
        throw new DamagedError(place, `key ${JSON.stringify(key)} has lease ${lease}, which is missing`);
      leases.move(key, { from: noLease, to: lease });
      if (++attached % keysPerSlice === 0) await pace();
    }
  }
}

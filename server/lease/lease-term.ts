import type { Term } from "../../raft/index.js";
import { slicedSort, type Lease, type LeaseId, type Sliced } from "../../store/index.js";
import { LeaseQueue, type Due } from "./lease-queue.js";
import type { LeaseStats } from "./lease-stats.js";

/** The most leases in one expiry entry; with one entry per sweep these are etcd's 1000 per second. */
export const maxExpiriesPerSweep = 50;
/** The keys after which an expiry entry takes no further lease: they bound the time to apply it. */
const maxKeysPerSweep = 500;
/** The most leases visited in one sweep, renewed ones included; the rest waits for the next sweep. */
const maxVisitsPerSweep = 2_000;
/** The delay after which an expiry is proposed again, in milliseconds (as in etcd). */
export const expiryRetryMs = 3_000;

/** A lease while this member leads. */
interface TimedLease extends Due, Lease {
  expiresAt: number;
  /** Tells that its expiry was proposed: it cannot be renewed any more. */
  isEnding: boolean;
  /** The keep-alives that came too late: answered once it is revoked. */
  waiting: ((seconds: number | undefined) => void)[] | undefined;
}

/** The times of a lease. */
export interface LeaseInfo {
  /** The granted TTL. */
  readonly grantedSeconds: number;
  /** The remaining time, in whole seconds. */
  readonly remainingSeconds: number;
}

/** The expiry times of all leases during one leader's term, in milliseconds on its own clock. */
export class LeaseTerm {
  private readonly leases = new Map<LeaseId, TimedLease>();
  private readonly queue: LeaseQueue<TimedLease>;

  /**
   * Restarts the time of every lease: renewals under earlier leaders are not known.
   *
   * @param graceMs the extension of every lease: a client has to find the new leader first
   */
  constructor(
    readonly term: Term,
    leases: Iterable<Lease>,
    { now, graceMs }: { readonly now: number; readonly graceMs: number },
    private readonly stats: LeaseStats,
  ) {
    for (const lease of leases) this.leases.set(lease.id, timed(lease, now + graceMs));
    this.queue = new LeaseQueue([...this.leases.values()]);
  }

  /** Adds a lease. */
  onGranted(lease: Lease, now: number): void {
    const added = timed(lease, now);
    this.leases.set(lease.id, added);
    this.queue.add(added);
  }

  /** Removes a lease and answers the keep-alives that came too late. */
  onRevoked(id: LeaseId): void {
    const lease = this.leases.get(id);
    if (lease === undefined) return;
    this.leases.delete(id);
    this.queue.remove(lease);
    for (const answer of lease.waiting ?? []) answer(0);
  }

  /**
   * Renews a lease.
   *
   * @param answer called with the TTL in seconds; 0 if there is no such lease, or it expired and was revoked; undefined if this
   * term ends before
   */
  renewLease(id: LeaseId, now: number, answer: (seconds: number | undefined) => void): void {
    const lease = this.leases.get(id);
    if (lease === undefined) answer(0);
    else if (lease.isEnding || lease.expiresAt <= now) (lease.waiting ??= []).push(answer);
    else {
      lease.expiresAt = now + lease.ttlSeconds * 1_000; // its place in the queue is corrected when it is due
      this.stats.renewed++;
      answer(lease.ttlSeconds);
    }
  }

  /** Returns the times of a lease; undefined if there is none. */
  findLease(id: LeaseId, now: number): LeaseInfo | undefined {
    const lease = this.leases.get(id);
    if (lease === undefined) return undefined;
    const remaining = Math.max(0, Math.floor((lease.expiresAt - now) / 1_000));
    return { grantedSeconds: lease.ttlSeconds, remainingSeconds: remaining };
  }

  /**
   * Lists the leases in the order of expiry, in slices. A lease that is renewed meanwhile may keep its former place.
   */
  listByExpiry(isTired: (leases: number) => boolean): Sliced<readonly { readonly id: LeaseId }[]> {
    return slicedSort([...this.leases.values()], (a, b) => a.expiresAt - b.expiresAt, isTired);
  }

  /**
   * Returns expired leases, to propose their expiry. Each is returned again only after `retryExpiries`.
   *
   * @param keyCount returns the number of a lease's keys
   */
  takeExpired(now: number, keyCount: (id: LeaseId) => number): Lease[] {
    const expired: Lease[] = [];
    let keys = 0;
    for (let visits = 0; visits < maxVisitsPerSweep; visits++) {
      const lease = this.queue.first;
      if (lease === undefined || lease.dueAt > now) break;
      if (lease.expiresAt > now) {
        lease.dueAt = lease.expiresAt;
        this.queue.onMoved(lease);
        continue;
      }
      if (expired.length >= maxExpiriesPerSweep || keys >= maxKeysPerSweep) break;
      this.queue.remove(lease);
      lease.isEnding = true;
      expired.push(lease);
      keys += keyCount(lease.id);
    }
    return expired;
  }

  /** Schedules the expiry of these leases again, if they still exist: the proposal may be lost. */
  retryExpiries(expired: readonly Lease[], now: number): void {
    for (const { id } of expired) {
      const lease = this.leases.get(id);
      if (lease === undefined || !lease.isEnding || lease.position >= 0) continue;
      lease.dueAt = now + expiryRetryMs;
      this.queue.add(lease);
    }
  }

  /** Ends the term: waiting keep-alives are answered with undefined. */
  endTerm(): void {
    const left = [...this.leases.values()];
    this.leases.clear();
    for (const { waiting } of left) for (const answer of waiting ?? []) answer(undefined);
  }
}

const timed = ({ id, ttlSeconds, generation }: Lease, from: number): TimedLease => {
  const expiresAt = from + ttlSeconds * 1_000;
  return { id, ttlSeconds, generation, expiresAt, dueAt: expiresAt, position: -1, isEnding: false, waiting: undefined };
};

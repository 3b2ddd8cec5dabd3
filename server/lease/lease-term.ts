import type { Term } from "../../raft/index.js";
import { type Lease, type LeaseId, type Sliced, sortInSlices, type ShouldYield } from "../../store/index.js";
import { LeaseQueue, type Due } from "./lease-queue.js";
import type { LeaseStats } from "./lease-stats.js";

/** The maximum number of leases in one expiry entry; with one entry per sweep these are etcd's 1000 per second. */
export const maxExpiriesPerSweep = 50;
/** The number of keys after which an expiry entry gets no further lease: bounds the time to apply it. */
const maxKeysPerSweep = 500;
/** The maximum number of leases visited in one sweep, renewed ones included; the rest waits for the next sweep. */
const maxVisitsPerSweep = 2_000;
/** The delay after which an expiry is proposed again, in milliseconds (as in etcd). */
export const expiryRetryMs = 3_000;

/** The maximum number of leases in one checkpoint entry; with one entry per sweep these are etcd's 1000 per second. */
const maxCheckpointsPerSweep = 50;

/** A lease while this member leads. */
interface TimedLease extends Due, Lease {
  expiresAt: number;
  /** The time of the last grant, renewal or checkpoint, or of the start of the term. */
  refreshedAt: number;
  /** Whether members may have a remaining time of the lease, which a renewal makes wrong. */
  isCheckpointed: boolean;
  /** Whether the lease's expiry was proposed: it cannot be renewed any more. */
  isEnding: boolean;
  /** The keep-alives that came too late: answered when the lease is revoked. */
  waiting: ((seconds: number | undefined) => void)[] | undefined;
}

/** A lease in the order of the next checkpoints. */
interface NextCheckpoint extends Due {
  readonly lease: TimedLease;
}

/** The remaining time of a lease. */
export interface Remaining {
  readonly lease: Lease;
  readonly seconds: number;
}

/** The beginning of a leader's term. */
export interface TermStart {
  readonly now: number;
  /** The extension of every lease, in milliseconds: clients have to find the new leader first. */
  readonly graceMs: number;
  /** The interval of a lease's checkpoints, in milliseconds; undefined: no checkpoints. */
  readonly checkpointMs: number | undefined;
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
  /** The leases with a TTL longer than the interval of checkpoints. */
  private readonly checkpoints: LeaseQueue<NextCheckpoint>;
  private readonly checkpointMs: number;

  /** Restarts the time of every lease at its last checkpoint; a renewal since then has removed the checkpoint. */
  constructor(
    readonly term: Term,
    leases: Iterable<Lease>,
    { now, graceMs, checkpointMs = Infinity }: TermStart,
    private readonly stats: LeaseStats,
  ) {
    this.checkpointMs = checkpointMs;
    for (const lease of leases) this.leases.set(lease.id, timedLeaseOf(lease, now + graceMs, now));
    this.queue = new LeaseQueue([...this.leases.values()]);
    const lasting = [...this.leases.values()].filter((lease) => this.isCheckpointNeeded(lease));
    this.checkpoints = new LeaseQueue(lasting.map((lease) => this.checkpointOf(lease)));
  }

  /** Adds a lease. */
  onGranted(lease: Lease, now: number): void {
    const added = timedLeaseOf(lease, now, now);
    this.leases.set(lease.id, added);
    this.queue.add(added);
    if (this.isCheckpointNeeded(added)) this.checkpoints.add(this.checkpointOf(added));
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
      lease.expiresAt = now + lease.ttlSeconds * 1_000; // its positions in the queues are corrected when the former time is due
      lease.refreshedAt = now;
      this.stats.renewed++;
      answer(lease.ttlSeconds);
    }
  }

  /** Whether members may have a remaining time of a lease, or soon will. */
  isCheckpointed(id: LeaseId): boolean {
    return this.leases.get(id)?.isCheckpointed === true;
  }

  /** Records that all members have restored the TTL of a lease. */
  onCheckpointCleared(id: LeaseId): void {
    const lease = this.leases.get(id);
    if (lease !== undefined) lease.isCheckpointed = false;
  }

  /** Returns the remaining times of leases whose checkpoint is due. */
  takeCheckpoints(now: number): Remaining[] {
    const due: Remaining[] = [];
    for (let visits = 0; visits < maxVisitsPerSweep && due.length < maxCheckpointsPerSweep; visits++) {
      const next = this.checkpoints.first;
      if (next === undefined || next.dueAt > now) break;
      const { lease } = next;
      // Without the extension at the beginning of a term, which only this leader uses: members never have more than the TTL.
      const seconds = Math.min(Math.ceil((lease.expiresAt - now) / 1_000), lease.ttlSeconds);
      if (this.leases.get(lease.id) !== lease || lease.isEnding || seconds <= 0) {
        this.checkpoints.remove(next);
        continue;
      }
      if (lease.refreshedAt + this.checkpointMs <= now) {
        lease.refreshedAt = now;
        lease.isCheckpointed = true;
        due.push({ lease, seconds });
      }
      next.dueAt = lease.refreshedAt + this.checkpointMs;
      this.checkpoints.onMoved(next);
    }
    return due;
  }

  private isCheckpointNeeded({ ttlSeconds }: TimedLease): boolean {
    return ttlSeconds * 1_000 > this.checkpointMs;
  }

  private checkpointOf(lease: TimedLease): NextCheckpoint {
    return { lease, dueAt: lease.refreshedAt + this.checkpointMs, position: -1 };
  }

  /** Returns the times of a lease; undefined if there is none. */
  findLease(id: LeaseId, now: number): LeaseInfo | undefined {
    const lease = this.leases.get(id);
    if (lease === undefined) return undefined;
    const remaining = Math.max(0, Math.floor((lease.expiresAt - now) / 1_000));
    return { grantedSeconds: lease.ttlSeconds, remainingSeconds: remaining };
  }

  /** Lists the leases in the order of their expiry, in slices. A lease that is renewed meanwhile may keep its former position. */
  listByExpiry(shouldYield: ShouldYield): Sliced<readonly { readonly id: LeaseId }[]> {
    return sortInSlices([...this.leases.values()], (a, b) => a.expiresAt - b.expiresAt, shouldYield);
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

/** @param from the time at which the lease has its remaining time, or its TTL */
const timedLeaseOf = (
  { id, ttlSeconds, generation, remainingSeconds }: Lease,
  from: number,
  now: number,
): TimedLease => {
  const expiresAt = from + (remainingSeconds ?? ttlSeconds) * 1_000;
  return {
    id,
    ttlSeconds,
    generation,
    expiresAt,
    dueAt: expiresAt,
    position: -1,
    refreshedAt: now,
    isCheckpointed: remainingSeconds !== undefined,
    isEnding: false,
    waiting: undefined,
  };
};

import type { Term } from "../../raft/index.js";
import { slicedSort, type Lease, type Sliced } from "../../store/index.js";
import { LeaseQueue, type Due } from "./lease-queue.js";

/** Leases whose end one entry of the log proposes; at one a sweep these are etcd's 1000 a second. */
export const maxExpiriesPerSweep = 50;
/** An entry proposes the end of no further lease once those in it have so many keys: applying it blocks for that long. */
const maxKeysPerSweep = 500;
/** Leases that a sweep finds due but kept alive since; the rest is for the next sweep. */
const maxVisitsPerSweep = 2_000;
/** When to propose the end of a lease again if the log could not take it (as etcd). */
export const expiryRetryMs = 3_000;

/** A lease while this member leads. */
interface TimedLease extends Due, Lease {
  expiresAt: number;
  /** Its end was proposed: nothing can keep it alive any more. */
  isEnding: boolean;
  /** Keep-alives that came too late: they wait until it is gone. */
  waiting: ((seconds: number | undefined) => void)[] | undefined;
}

/** What the leader knows of a lease. */
export interface LeaseInfo {
  readonly grantedSeconds: number;
  /** Whole ones. */
  readonly remainingSeconds: number;
}

/** When leases end, as one leader sees it during its term. Times are milliseconds on its own clock. */
export class LeaseTerm {
  private readonly leases = new Map<bigint, TimedLease>();
  private readonly queue: LeaseQueue<TimedLease>;

  /**
   * What was kept alive under earlier leaders is not known, so every lease gets its full time.
   *
   * @param graceMs what every lease gets on top: a client has to find the new leader first
   */
  constructor(
    readonly term: Term,
    leases: Iterable<Lease>,
    { now, graceMs }: { readonly now: number; readonly graceMs: number },
  ) {
    for (const lease of leases) this.leases.set(lease.id, timed(lease, now + graceMs));
    this.queue = new LeaseQueue([...this.leases.values()]);
  }

  onGranted(lease: Lease, now: number): void {
    const added = timed(lease, now);
    this.leases.set(lease.id, added);
    this.queue.add(added);
  }

  /** It is gone, whatever the reason. */
  onRevoked(id: bigint): void {
    const lease = this.leases.get(id);
    if (lease === undefined) return;
    this.leases.delete(id);
    this.queue.remove(lease);
    for (const answer of lease.waiting ?? []) answer(0);
  }

  /**
   * Keeps a lease alive.
   *
   * @param answer takes how long it lives from now on; 0: there is no such lease, or it was too late and now it is
   * gone; undefined: this term is over
   */
  renewLease(id: bigint, now: number, answer: (seconds: number | undefined) => void): void {
    const lease = this.leases.get(id);
    if (lease === undefined) answer(0);
    else if (lease.isEnding || lease.expiresAt <= now) (lease.waiting ??= []).push(answer);
    else {
      lease.expiresAt = now + lease.ttlSeconds * 1_000; // its place in the queue is put right when it comes up
      answer(lease.ttlSeconds);
    }
  }

  findLease(id: bigint, now: number): LeaseInfo | undefined {
    const lease = this.leases.get(id);
    if (lease === undefined) return undefined;
    const remaining = Math.max(0, Math.floor((lease.expiresAt - now) / 1_000));
    return { grantedSeconds: lease.ttlSeconds, remainingSeconds: remaining };
  }

  /**
   * All leases there are when it begins, those first that end soonest; in slices. One that is kept alive meanwhile may stand
   * where it stood before.
   */
  listByExpiry(isTired: (leases: number) => boolean): Sliced<readonly { readonly id: bigint }[]> {
    return slicedSort([...this.leases.values()], (a, b) => a.expiresAt - b.expiresAt, isTired);
  }

  /**
   * Takes leases whose time is over: their end is to be proposed. They come up again only through `again`.
   *
   * @param keyCount how many keys a lease has
   */
  takeExpired(now: number, keyCount: (id: bigint) => number): Lease[] {
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

  /** The end of these leases may not have got into the log: those that still exist come up again later. */
  retryExpiries(expired: readonly Lease[], now: number): void {
    for (const { id } of expired) {
      const lease = this.leases.get(id);
      if (lease === undefined || !lease.isEnding || lease.position >= 0) continue;
      lease.dueAt = now + expiryRetryMs;
      this.queue.add(lease);
    }
  }

  /** This member does not lead any more, or not in this term. */
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

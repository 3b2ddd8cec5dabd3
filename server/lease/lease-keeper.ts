import type { Clock } from "../../platform/index.js";
import type { CoreStatus, Term } from "../../raft/index.js";
import type { KvStore, Lease, LeaseId, Sliced, ShouldYield } from "../../store/index.js";
import { ServerError } from "../base/index.js";
import { LeaseCheckpoints } from "./lease-checkpoints.js";
import { LeaseStats } from "./lease-stats.js";
import { LeaseTerm, type LeaseInfo } from "./lease-term.js";
import type { LeaseListener, Proposals, ResultsByKind } from "../replication/index.js";

/** The interval at which the leader looks for expired leases, in milliseconds. */
export const leaseSweepMs = 50;
/**
 * The maximum step of the keeper's clock, in milliseconds: a blocked member receives no keep-alives, so the rest does not
 * count.
 */
const longestStepMs = 500;
/** The bound on uncommitted expiry entries; beyond it no further expiry is proposed. */
const maxExpiriesUnderWay = 20;

/** The options of `LeaseKeeper`. */
export interface LeaseKeeperOptions {
  readonly clock: Clock;
  /** The election timeout, in milliseconds: a new leader's extension of every lease. */
  readonly electionMs: number;
  /** The interval of a lease's checkpoints, in milliseconds; undefined: no checkpoints. */
  readonly checkpointMs?: number | undefined;
}

/**
 * The clock of all leases while this member leads, as etcd's primary lessor: proposes the revocation of expired leases. The
 * proposal has the leader's term and no effect in another one, so a deposed leader revokes nothing.
 */
export class LeaseKeeper implements LeaseListener {
  readonly stats = new LeaseStats();
  private current: LeaseTerm | undefined = undefined;
  /** The term in which this member leads. */
  private ledTerm: Term | undefined = undefined;
  /** The term of the last applied entry. */
  private appliedTerm: Term | undefined = undefined;
  private pendingExpiries = 0;
  private time = 0;
  private sweptAt: number;
  private readonly checkpoints: LeaseCheckpoints;
  private readonly stopSweep: () => void;

  constructor(
    private readonly options: LeaseKeeperOptions,
    private readonly store: Pick<KvStore, "lease" | "leases" | "leaseKeyCount">,
    private readonly proposals: Pick<Proposals<ResultsByKind>, "proposeOwn">,
  ) {
    this.sweptAt = options.clock.now();
    this.checkpoints = new LeaseCheckpoints(options.clock, proposals);
    this.stopSweep = options.clock.every(leaseSweepMs, () => this.sweep());
  }

  /** Handles a change of role or term. */
  onStatusChange({ role, term }: Pick<CoreStatus, "role" | "term">): void {
    this.endTerm();
    this.ledTerm = role === "leader" ? term : undefined;
    this.beginTerm();
  }

  /**
   * Called when an entry of this term, and all entries before it, are applied. Only then does a new leader restart the time of
   * all leases, at their last checkpoints: before, it may not have applied a renewal of the former leader.
   */
  onTermApplied(term: Term): void {
    this.appliedTerm = term;
    this.beginTerm();
  }

  /** Adds a lease whose grant was applied. */
  onGranted(lease: Lease): void {
    this.stats.granted++;
    this.stats.ttlSeconds.observe(lease.ttlSeconds);
    this.current?.onGranted(lease, this.now());
  }

  /** Removes a lease whose revocation was applied. */
  onRevoked(id: LeaseId): void {
    this.stats.revoked++;
    this.current?.onRevoked(id);
  }

  /**
   * Renews a lease. Called after a quorum has confirmed the leader since the client's request.
   *
   * @param answer called with the TTL in seconds; 0 if there is no such lease; undefined if this member does not lead
   */
  renewLease(id: LeaseId, answer: (seconds: number | undefined) => void): void {
    const { current } = this;
    if (current === undefined) return answer(undefined);
    const lease = this.store.lease(id);
    if (lease === undefined || !current.isCheckpointed(id)) current.renewLease(id, this.now(), answer);
    else
      current.renewLease(id, this.now(), (seconds) => {
        if (seconds === undefined || seconds === 0) answer(seconds);
        else this.clearCheckpoint(current, lease, (isCleared) => answer(isCleared ? seconds : undefined));
      });
  }

  /** Whether this member leads and has applied an entry of its term, and so knows the remaining time of leases. */
  get isLeader(): boolean {
    return this.current !== undefined;
  }

  /** Returns the times of a lease; undefined if there is no such lease or this member does not lead. */
  findLease(id: LeaseId): LeaseInfo | undefined {
    return this.current?.findLease(id, this.now());
  }

  /**
   * Lists all leases, in slices; if this member leads, in the order of their expiry.
   *
   * @param shouldYield called with the number of leases since its last call; true ends the slice
   */
  *listLeases(shouldYield: ShouldYield): Sliced<readonly { readonly id: LeaseId }[]> {
    return this.current === undefined ? [...this.store.leases()] : yield* this.current.listByExpiry(shouldYield);
  }

  /** Stops the clock. */
  stop(): void {
    this.stopSweep();
    this.endTerm();
  }

  private beginTerm(): void {
    const { ledTerm: term } = this;
    if (this.current !== undefined || term === undefined || this.appliedTerm !== term) return;
    const { electionMs: graceMs, checkpointMs } = this.options;
    const start = { now: this.now(), graceMs, checkpointMs };
    this.current = new LeaseTerm(term, this.store.leases(), start, this.stats);
  }

  private endTerm(): void {
    const ended = this.current;
    this.current = undefined;
    this.pendingExpiries = 0;
    ended?.endTerm();
  }

  /** Returns the keeper's time, which does not advance while this member is frozen. */
  private now(): number {
    return this.time + Math.min(this.options.clock.now() - this.sweptAt, longestStepMs);
  }

  private clearCheckpoint(current: LeaseTerm, lease: Lease, settle: (isCleared: boolean) => void): void {
    this.checkpoints.clear(current, lease, (isCleared) => {
      if (isCleared) current.onCheckpointCleared(lease.id);
      settle(isCleared && this.current === current);
    });
  }

  private sweep(): void {
    this.time = this.now();
    this.sweptAt = this.options.clock.now();
    const current = this.current;
    if (current === undefined) return;
    this.checkpoints.sweep(current, this.time);
    if (this.pendingExpiries >= maxExpiriesUnderWay) return;
    const leases = current.takeExpired(this.time, (id) => this.store.leaseKeyCount(id));
    if (leases.length > 0) this.propose(current, leases);
  }

  private propose(current: LeaseTerm, expired: readonly Lease[]): void {
    const leases = expired.map(({ id, generation }) => ({ id, generation: BigInt(generation) }));
    // A repeated proposal is harmless: the generation distinguishes a lease granted since from the expired one.
    const onSettled = (): void => {
      if (this.current !== current) return;
      this.pendingExpiries--;
      current.retryExpiries(expired, this.now());
    };
    this.pendingExpiries++;
    try {
      this.proposals.proposeOwn(
        { $case: "leaseExpiry", value: { term: BigInt(current.term), leases } },
        {
          onResult: () => {
            this.stats.expired += leases.length;
            onSettled();
          },
          onError: onSettled,
        },
      );
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      onSettled();
    }
  }
}

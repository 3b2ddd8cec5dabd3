import type { Clock } from "../../platform/index.js";
import type { CoreStatus } from "../../raft/index.js";
import type { KvStore, Lease, Sliced } from "../../store/index.js";
import { ServerError } from "../base/index.js";
import { LeaseTerm, type LeaseInfo } from "./lease-term.js";
import type { Command, Settle } from "../replication/index.js";

/** How often the leader looks for leases whose time is over. */
export const sweepMs = 50;
/** More than so much between two looks counts as so much: the member was held up, and could hear no keep-alive. */
const longestStepMs = 500;
/** Entries that wait to be committed; until one is, the end of no further lease is proposed. */
const maxExpiriesUnderWay = 20;

export interface LeaseKeeperOptions {
  readonly clock: Clock;
  readonly electionMs: number;
  readonly store: Pick<KvStore, "leases" | "leaseKeyCount">;
  /** @throws ServerError */
  readonly propose: (command: Command, settle: Settle<unknown>) => void;
}

/**
 * Watches the time of all leases while this member leads, and proposes their end. A deposed leader that does not know it
 * yet ends nothing: what it proposes bears its term, and has no effect in another.
 */
export class LeaseKeeper {
  private current: LeaseTerm | undefined = undefined;
  private pendingExpiries = 0;
  private time = 0;
  private sweptAt: number;
  private readonly stopSweep: () => void;

  constructor(private readonly options: LeaseKeeperOptions) {
    this.sweptAt = options.clock.now();
    this.stopSweep = options.clock.every(sweepMs, () => this.sweep());
  }

  /** The leader or its term changed. */
  onStatusChange({ role, term }: Pick<CoreStatus, "role" | "term">): void {
    this.endTerm();
    if (role !== "leader") return;
    const { store, electionMs } = this.options;
    this.current = new LeaseTerm(term, store.leases(), { now: this.now(), graceMs: electionMs });
  }

  /** A lease was granted, here as everywhere. */
  onGranted(lease: Lease): void {
    this.current?.onGranted(lease, this.now());
  }

  /** A lease is gone, here as everywhere. */
  onRevoked(id: bigint): void {
    this.current?.onRevoked(id);
  }

  /**
   * Keeps a lease alive. To be called once a quorum has confirmed, after the client asked, who leads.
   *
   * @param answer takes how long it lives from now on; 0: there is no such lease; undefined: another member leads
   */
  renewLease(id: bigint, answer: (seconds: number | undefined) => void): void {
    if (this.current === undefined) answer(undefined);
    else this.current.renewLease(id, this.now(), answer);
  }

  /** Whether this member leads, and so knows the time of leases. */
  get isLeader(): boolean {
    return this.current !== undefined;
  }

  /** Undefined: there is no such lease, or this member does not lead. */
  findLease(id: bigint): LeaseInfo | undefined {
    return this.current?.findLease(id, this.now());
  }

  /**
   * All leases; if this member leads, those first that end soonest, and in slices.
   *
   * @param isTired told how many leases were looked at since it was asked last; true: others are to run
   */
  *listLeases(isTired: (leases: number) => boolean): Sliced<readonly { readonly id: bigint }[]> {
    return this.current === undefined ? [...this.options.store.leases()] : yield* this.current.listByExpiry(isTired);
  }

  stop(): void {
    this.stopSweep();
    this.endTerm();
  }

  private endTerm(): void {
    const ended = this.current;
    this.current = undefined;
    this.pendingExpiries = 0;
    ended?.endTerm();
  }

  /** A clock that does not go on while this member is frozen. */
  private now(): number {
    return this.time + Math.min(this.options.clock.now() - this.sweptAt, longestStepMs);
  }

  private sweep(): void {
    this.time = this.now();
    this.sweptAt = this.options.clock.now();
    const current = this.current;
    if (current === undefined || this.pendingExpiries >= maxExpiriesUnderWay) return;
    const leases = current.takeExpired(this.time, (id) => this.options.store.leaseKeyCount(id));
    if (leases.length > 0) this.propose(current, leases);
  }

  private propose(current: LeaseTerm, expired: readonly Lease[]): void {
    const leases = expired.map(({ id, generation }) => ({ id, generation: BigInt(generation) }));
    // Proposed twice does no harm: the generation tells a lease that was granted since from the one that expired.
    const settled = (): void => {
      if (this.current !== current) return;
      this.pendingExpiries--;
      current.retryExpiries(expired, this.now());
    };
    this.pendingExpiries++;
    try {
      this.options.propose(
        { $case: "leaseExpiry", value: { term: BigInt(current.term), leases } },
        { applied: settled, failed: settled },
      );
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      settled();
    }
  }
}

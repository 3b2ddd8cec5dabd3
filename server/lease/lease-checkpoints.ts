import type { Clock } from "../../platform/index.js";
import type { Lease } from "../../store/index.js";
import { ServerError } from "../base/index.js";
import type { Proposals, ResultsByKind } from "../replication/index.js";
import type { LeaseTerm, Remaining } from "./lease-term.js";

/** The bound on uncommitted checkpoint entries; beyond it no further checkpoint is proposed. */
const maxCheckpointsUnderWay = 4;
/** The maximum number of leases in one entry that restores their TTL. */
const maxClearsPerEntry = 500;

/** A renewal that is answered once no member has an earlier remaining time of the lease. */
interface ClearRequest {
  readonly term: LeaseTerm;
  readonly lease: Lease;
  readonly settle: (isCleared: boolean) => void;
}

/**
 * The proposals of a leader about the remaining times of leases. After a checkpoint, the next leader continues with that time.
 * The first renewal after a checkpoint restores the TTL on all members before it is answered; otherwise the next leader could
 * end the lease earlier than promised.
 */
export class LeaseCheckpoints {
  private underWay = 0;
  /** The renewals of this turn; bounded by the calls that the leader serves. */
  private clearRequests: ClearRequest[] = [];

  constructor(
    private readonly clock: Pick<Clock, "soon">,
    private readonly proposals: Pick<Proposals<ResultsByKind>, "proposeOwn">,
  ) {}

  /** Proposes the checkpoints that are due. */
  sweep(term: LeaseTerm, now: number): void {
    if (this.underWay >= maxCheckpointsUnderWay) return;
    const due = term.takeCheckpoints(now);
    if (due.length === 0) return;
    this.underWay++;
    // A failed checkpoint is not repeated before the interval is over: proposals fail in an overloaded cluster, or one without a quorum,
    // which a repetition would only burden further. A change of the leader in the meantime extends the lease by up to one interval more.
    this.propose(term, due, () => this.underWay--);
  }

  /** Restores the TTL of a renewed lease on all members. @param settle called once, later */
  clear(term: LeaseTerm, lease: Lease, settle: (isCleared: boolean) => void): void {
    if (this.clearRequests.push({ term, lease, settle }) === 1) this.clock.soon(() => this.flush());
  }

  private flush(): void {
    const all = this.clearRequests;
    this.clearRequests = [];
    for (let from = 0; from < all.length; from += maxClearsPerEntry) {
      const some = all.slice(from, from + maxClearsPerEntry);
      const [first] = some;
      if (first === undefined) return;
      const isSameTerm = some.every(({ term }) => term === first.term);
      const settle = (isCleared: boolean): void => some.forEach((request) => request.settle(isCleared));
      if (!isSameTerm) settle(false);
      else
        this.propose(
          first.term,
          some.map(({ lease }) => ({ lease, seconds: 0 })),
          settle,
        );
    }
  }

  private propose({ term }: LeaseTerm, times: readonly Remaining[], settle: (isApplied: boolean) => void): void {
    const leases = times.map(({ lease: { id, generation }, seconds }) => {
      return { id, generation: BigInt(generation), seconds: BigInt(seconds) };
    });
    try {
      this.proposals.proposeOwn(
        { $case: "leaseCheckpoint", value: { term: BigInt(term), leases } },
        { onResult: () => settle(true), onError: () => settle(false) },
      );
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      settle(false);
    }
  }
}

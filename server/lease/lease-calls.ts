import type { LeaseQuery } from "../../proto/index.js";
import { type KvStore, leaseIdFrom, LeaseNotFoundError } from "../../store/index.js";
import type { Reads } from "../replication/index.js";
import type { LeaseKeeper } from "./lease-keeper.js";
import { encodedLeaseKeys } from "./lease-keys.js";
import type { CallServer, LeaderRequest, LeaderResponse } from "./served-calls.js";

type Answer = (response: LeaderResponse | undefined) => void;

const noKeys = new Uint8Array();

/**
 * Serves the calls of all members about leases. A quorum round that begins after the call arrived must confirm the leader: a
 * deposed leader could renew a lease that its successor lets expire.
 */
export class LeaseCalls implements CallServer {
  constructor(
    private readonly reads: Pick<Reads, "whenLinearizable">,
    private readonly keeper: Pick<LeaseKeeper, "isLeader" | "renewLease" | "findLease">,
    private readonly store: Pick<KvStore, "leaseKeys" | "inSlices">,
  ) {}

  /** Waits for a quorum round, then serves the call. */
  serve(request: LeaderRequest, answer: Answer): void {
    try {
      this.reads.whenLinearizable(
        () => this.serveConfirmed(request, answer),
        () => answer(undefined),
      );
    } catch {
      answer(undefined); // too many reads, or this member stops: the caller has a deadline
    }
  }

  private serveConfirmed(request: LeaderRequest, answer: Answer): void {
    if (!this.keeper.isLeader) answer(undefined);
    else if (request.$case === "renewLease")
      this.keeper.renewLease(leaseIdFrom(request.value), (seconds) =>
        answer(seconds === undefined ? undefined : { $case: "renewLease", value: BigInt(seconds) }),
      );
    else if (request.value.keys) this.describeWithKeys(request.value).then(answer, () => answer(undefined));
    else answer(this.describeLease(request.value, noKeys));
  }

  private describeLease({ lease }: LeaseQuery, encodedKeys: Uint8Array): LeaderResponse {
    const { grantedSeconds, remainingSeconds } = this.keeper.findLease(leaseIdFrom(lease)) ?? {
      grantedSeconds: 0,
      remainingSeconds: 0,
    };
    const info = { grantedSeconds: BigInt(grantedSeconds), remainingSeconds: BigInt(remainingSeconds), encodedKeys };
    return { $case: "queryLease", value: info };
  }

  private async describeWithKeys(query: LeaseQuery): Promise<LeaderResponse | undefined> {
    const { keeper, store } = this;
    const lease = leaseIdFrom(query.lease);
    if (keeper.findLease(lease) === undefined) return this.describeLease(query, noKeys);
    try {
      const keys = await store.leaseKeys(lease);
      const encoded = await store.inSlices((isTired) => encodedLeaseKeys(keys, isTired));
      return keeper.isLeader ? this.describeLease(query, encoded) : undefined;
    } catch (error) {
      if (error instanceof LeaseNotFoundError) return this.describeLease(query, noKeys); // it has just been revoked
      throw error;
    }
  }
}

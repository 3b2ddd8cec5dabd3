import type { LeaseQuery } from "../../proto/index.js";
import { type KvStore, leaseIdFrom, LeaseNotFoundError } from "../../store/index.js";
import type { LinearizableRead, Reads } from "../replication/index.js";
import type { CallServer, ServedCall } from "./calls.js";
import type { LeaderResponse } from "./leader-calls.js";
import type { LeaseKeeper } from "./lease-keeper.js";
import { encodeLeaseKeys } from "./lease-keys.js";

/** The number of calls that wait for a quorum round as one read, and are served in one turn: about 1 ms. */
export const maxCallsPerRead = 200;

const noKeys = new Uint8Array();

/**
 * Serves the calls of all members about leases. A quorum round that begins after the call arrived must confirm the leader: a
 * deposed leader could renew a lease that its successor lets expire.
 */
export class LeaseCalls implements CallServer {
  constructor(
    private readonly reads: Pick<Reads, "startRead">,
    private readonly keeper: Pick<LeaseKeeper, "isLeader" | "renewLease" | "findLease">,
    private readonly store: Pick<KvStore, "leaseKeys" | "runInSlices">,
  ) {}

  /** Waits for a quorum round, then serves the calls. */
  serve(calls: readonly ServedCall[]): void {
    if (calls.length <= maxCallsPerRead) this.waitForQuorum(calls);
    else
      for (let from = 0; from < calls.length; from += maxCallsPerRead)
        this.waitForQuorum(calls.slice(from, from + maxCallsPerRead));
  }

  private waitForQuorum(calls: readonly ServedCall[]): void {
    const read: LinearizableRead = {
      dueSweep: 0,
      onReady: () => {
        for (const call of calls) this.serveConfirmed(call);
      },
      onError: () => {
        for (const call of calls) call.answer(undefined);
      },
    };
    try {
      this.reads.startRead(read);
    } catch (error) {
      read.onError(error); // too many reads, or this member stops: the calls end at their deadlines
    }
  }

  private serveConfirmed(call: ServedCall): void {
    const { request } = call;
    if (!this.keeper.isLeader) call.answer(undefined);
    else if (request.$case === "renewLease")
      this.keeper.renewLease(leaseIdFrom(request.value), (seconds) =>
        call.answer(seconds === undefined ? undefined : { $case: "renewLease", value: BigInt(seconds) }),
      );
    else if (request.value.keys)
      this.describeWithKeys(request.value).then(
        (response) => call.answer(response),
        () => call.answer(undefined),
      );
    else call.answer(this.describeLease(request.value, noKeys));
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
      const encoded = await store.runInSlices((shouldYield) => encodeLeaseKeys(keys, shouldYield));
      return keeper.isLeader ? this.describeLease(query, encoded) : undefined;
    } catch (error) {
      if (error instanceof LeaseNotFoundError) return this.describeLease(query, noKeys); // just revoked
      throw error;
    }
  }
}

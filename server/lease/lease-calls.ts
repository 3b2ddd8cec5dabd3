import type { LeaseQuery } from "../../proto/index.js";
import { LeaseNotFoundError, type KvStore } from "../../store/index.js";
import type { LeaseKeeper } from "./lease-keeper.js";
import type { Serve } from "./served-calls.js";
import type { Reads } from "../replication/index.js";
import { encodedLeaseKeys } from "./lease-keys.js";

/** The parts of a member that answer calls about leases. */
export interface LeaseCallsOptions {
  readonly reads: Pick<Reads, "whenLinearizable">;
  readonly keeper: Pick<LeaseKeeper, "isLeader" | "renewLease" | "findLease">;
  readonly store: Pick<KvStore, "leaseKeys" | "inSlices">;
}

const noKeys = new Uint8Array();

/**
 * Serves the calls of all members about leases. A quorum round that begins after the call arrived must confirm the leader: a
 * deposed leader could renew a lease that its successor lets expire.
 */
export const serveLeaseCalls =
  ({ reads, keeper, store }: LeaseCallsOptions): Serve =>
  (question, answer) => {
    const confirmed = (): void => {
      if (!keeper.isLeader) answer(undefined);
      else if (question.$case === "renewLease")
        keeper.renewLease(question.value, (seconds) =>
          answer(seconds === undefined ? undefined : { $case: "renewLease", value: BigInt(seconds) }),
        );
      else if (question.value.keys) withKeys(question.value).then(answer, () => answer(undefined));
      else answer(infoOf(question.value, noKeys));
    };
    const infoOf = ({ lease }: LeaseQuery, encodedKeys: Uint8Array) => {
      const { grantedSeconds, remainingSeconds } = keeper.findLease(lease) ?? {
        grantedSeconds: 0,
        remainingSeconds: 0,
      };
      const info = { grantedSeconds: BigInt(grantedSeconds), remainingSeconds: BigInt(remainingSeconds), encodedKeys };
      return { $case: "queryLease" as const, value: info };
    };
    const withKeys = async (query: LeaseQuery) => {
      if (keeper.findLease(query.lease) === undefined) return infoOf(query, noKeys);
      try {
        const keys = await store.leaseKeys(query.lease);
        const encoded = await store.inSlices((isTired) => encodedLeaseKeys(keys, isTired));
        return keeper.isLeader ? infoOf(query, encoded) : undefined;
      } catch (error) {
        if (error instanceof LeaseNotFoundError) return infoOf(query, noKeys); // it has just been revoked
        throw error;
      }
    };
    try {
      reads.whenLinearizable(confirmed, () => answer(undefined));
    } catch {
      answer(undefined); // too many reads, or this member stops: the caller has a deadline
    }
  };

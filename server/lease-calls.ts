import type { KvStore } from "../store/index.js";
import type { LeaseKeeper } from "./lease-keeper.js";
import type { Question, Serve } from "./peers/served-calls.js";
import type { Reads } from "./reads.js";

export interface LeaseCallsOptions {
  readonly reads: Pick<Reads, "whenLinearizable">;
  readonly keeper: Pick<LeaseKeeper, "leads" | "renew" | "info">;
  readonly store: Pick<KvStore, "leaseKeys">;
}

/**
 * Answers for all members what only the leader knows of leases. A quorum round that begins after the question came has
 * to confirm that it still leads: one that was frozen or cut off could promise what its successor does not know of.
 */
export const serveLeaseCalls =
  ({ reads, keeper, store }: LeaseCallsOptions): Serve =>
  (question, answer) => {
    const confirmed = (): void => {
      if (!keeper.leads) answer(undefined);
      else if (question.$case === "renewLease")
        keeper.renew(question.value, (seconds) =>
          answer(seconds === undefined ? undefined : { $case: "renewLease", value: BigInt(seconds) }),
        );
      else answer({ $case: "queryLease", value: infoOf(question) });
    };
    const infoOf = ({ value: { lease, keys } }: Question & { $case: "queryLease" }) => {
      const { grantedSeconds, remainingSeconds } = keeper.info(lease) ?? { grantedSeconds: 0, remainingSeconds: 0 };
      return {
        grantedSeconds: BigInt(grantedSeconds),
        remainingSeconds: BigInt(remainingSeconds),
        keys: keys && grantedSeconds > 0 ? store.leaseKeys(lease) : [],
      };
    };
    try {
      reads.whenLinearizable(confirmed, () => answer(undefined));
    } catch {
      answer(undefined); // too much is waiting, or this member stops: whoever asked has a deadline
    }
  };

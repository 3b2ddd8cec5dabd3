import { type Answer, type KvStore, type LeaseId, leaseIdFrom, type Revision } from "../../store/index.js";
import { type Caller, type ResultHandler, ServerError } from "../base/index.js";
import type { LeaderCalls, LeaseKeeper } from "../lease/index.js";
import type { CommandResults } from "../replication/apply/index.js";
import type { Proposals, SpaceQuota } from "../replication/index.js";
import type { Access } from "./access.js";
import type { Application } from "./application.js";
import { leaseCost } from "./write-cost.js";

/** The components that propose changes of leases and know their remaining times. */
export interface LeaseParts {
  readonly store: Pick<KvStore, "revision" | "lease" | "firstAttachedKey" | "runInSlices">;
  readonly proposals: Pick<Proposals<CommandResults>, "propose">;
  /** The remaining times of leases, if this member leads. */
  readonly leases: Pick<LeaseKeeper, "listLeases">;
  /** Sends calls to the leader. */
  readonly leader: Pick<LeaderCalls, "ask">;
}

/** The settings of the operations of etcd's Lease. */
export interface LeaseSettings {
  /** Uniform in [0, 1): the source of the first id for leases whose requests have none. */
  readonly random: () => number;
  readonly minLeaseTtlSeconds: number;
  readonly access: Access;
}

type LeaseOperations = Pick<
  Application,
  "leaseGrant" | "leaseRevoke" | "leaseKeepAlive" | "leaseTimeToLive" | "leaseLeases"
>;

/** etcd's maximum TTL, in seconds: about 285 years. */
const maxTtlSeconds = 9_000_000_000n;
/** The TTL in the answer about a lease that does not exist. */
const noTtl = -1n;

/** Returns the minimum TTL in seconds: a lease must outlast an election (etcd: 1.5 election timeouts). */
export const minLeaseTtl = ({ heartbeatMs, electionMs }: { heartbeatMs: number; electionMs: number }): number => {
  const electionTicks = Math.floor(electionMs / heartbeatMs);
  return Math.ceil((Math.floor((3 * electionTicks) / 2) * heartbeatMs) / 1_000);
};

/** The operations of etcd's Lease. */
export const leaseOperations = (
  { store, proposals, leases, leader }: LeaseParts,
  quota: Pick<SpaceQuota, "hasRoomFor" | "passAfterMeasuring">,
  { random, minLeaseTtlSeconds, access }: LeaseSettings,
): LeaseOperations => {
  const minTtl = BigInt(minLeaseTtlSeconds);
  const nextId = freeLeaseIds(store, random);

  const renewLease = (id: LeaseId, handler: ResultHandler<Answer<bigint>>): void => {
    const { revision } = store; // the revision before the change, as in etcd
    leader.ask({ $case: "renewLease", value: id }, new Renewal(revision, handler));
  };

  /** Renews a lease for a user who may write all keys of the lease. */
  const renewLeaseAsUser = (caller: Caller, id: LeaseId, handler: ResultHandler<Answer<bigint>>): void =>
    access.runIfAllowed(
      caller,
      (rights) => {
        rights.checkUser();
        rights.checkLeaseWrite(id, store);
      },
      () => renewLease(id, handler),
      handler,
    );

  return {
    leaseGrant: (caller, { ID, TTL }, handler) => {
      if (TTL > maxTtlSeconds)
        throw new ServerError("lease-ttl-too-large", `TTL is ${TTL} s, at most ${maxTtlSeconds} s is allowed`);
      // The id is chosen before the proposal: applying a command is deterministic.
      const lease = { ID: ID === 0n ? nextId() : ID, TTL: TTL < minTtl ? minTtl : TTL };
      const propose = (): void =>
        proposals.propose(
          { $case: "leaseGrant", value: lease },
          {
            onResult: (revision) =>
              handler.onResult({ response: { header: undefined, ...lease, error: "" }, revision }),
            onError: (error) => handler.onError(error),
          },
          caller.user,
        );
      if (quota.hasRoomFor(leaseCost)) propose();
      else quota.passAfterMeasuring(leaseCost, propose, handler);
    },
    leaseRevoke: (caller, { ID }, handler) =>
      proposals.propose(
        { $case: "leaseRevoke", value: { ID } },
        {
          onResult: (revision) => handler.onResult({ response: { header: undefined }, revision }),
          onError: (error) => handler.onError(error),
        },
        caller.user,
      ),
    leaseKeepAlive: (caller) => ({
      renew: (id, handler) => {
        if (access.isOn) renewLeaseAsUser(caller, id, handler);
        else renewLease(id, handler);
      },
      close: () => undefined,
    }),
    leaseTimeToLive: (_caller, { ID, keys }, handler) =>
      leader.ask(
        { $case: "queryLease", value: { lease: ID, keys } },
        {
          onResult: ({ value: { grantedSeconds, remainingSeconds, encodedKeys } }) => {
            const TTL = grantedSeconds === 0n ? noTtl : remainingSeconds;
            const response = { ID: leaseIdFrom(ID), TTL, grantedTTL: grantedSeconds, encodedKeys };
            handler.onResult({ response, revision: store.revision });
          },
          onError: (error) => handler.onError(error),
        },
      ),
    leaseLeases: (_caller, _request, handler) => {
      const { revision } = store;
      store
        .runInSlices((shouldYield) => leases.listLeases(shouldYield))
        .then(
          (response) => handler.onResult({ response, revision }),
          (error: unknown) => handler.onError(error),
        );
    },
  };
};

/** A keep-alive until the leader answers. */
class Renewal implements ResultHandler<{ readonly value: bigint }> {
  constructor(
    private readonly revision: Revision,
    private readonly handler: ResultHandler<Answer<bigint>>,
  ) {}

  onResult({ value }: { readonly value: bigint }): void {
    this.handler.onResult({ response: value, revision: this.revision });
  }

  onError(error: unknown): void {
    this.handler.onError(error);
  }
}

const largestId = 2n ** 63n - 1n;

/** Returns a function that returns unused lease ids, consecutive from a random first id. */
const freeLeaseIds = (store: Pick<KvStore, "lease">, random: () => number): (() => LeaseId) => {
  let last = randomId(random);
  return () => {
    do last = leaseIdFrom(last === largestId ? 1n : last + 1n);
    while (store.lease(last) !== undefined);
    return last;
  };
};

/** 63 bits: ids are positive, and so sparse that two members, or two incarnations of a member, do not choose the same. */
const randomId = (random: () => number): LeaseId => {
  const bits = (count: number): bigint => BigInt(Math.floor(random() * 2 ** count));
  return leaseIdFrom((bits(31) << 32n) | bits(32));
};

import {
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseLeasesRequest,
  LeaseLeasesResponse,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
  LeaseStatus,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  type ResponseHeader,
} from "../../proto/index.js";
import type { KvStore, Sliced } from "../../store/index.js";
import type { Applied } from "../replication/apply/index.js";
import { ServerError } from "../base/index.js";
import type { LeaderCalls, LeaseKeeper } from "../lease/index.js";
import type { Proposals } from "../replication/index.js";
import { bidi, encodeParts, type IsTired, leasesParts, type Method, unary } from "../rpc/index.js";
import { KeepAliveStream } from "./keep-alive-stream.js";
import type { ResponseHeaders } from "./response-header.js";

export interface LeaseServiceOptions {
  readonly store: KvStore;
  readonly keeper: LeaseKeeper;
  readonly proposals: Proposals<Applied>;
  readonly leader: LeaderCalls;
  readonly headers: ResponseHeaders;
  /** Uniform in [0, 1): where the ids of leases begin whose clients name none. */
  readonly random: () => number;
  readonly minTtlSeconds: number;
}

/** etcd's limit, in seconds: about 285 years. */
const maxTtlSeconds = 9_000_000_000n;
const largestId = 2n ** 63n - 1n;
/** What TimeToLive says of a lease that does not exist. */
const noTtl = -1n;

/** The shortest time that a lease can live, in seconds: it must outlast an election (etcd: 1.5 election timeouts). */
export const minLeaseTtl = ({ heartbeatMs, electionMs }: { heartbeatMs: number; electionMs: number }): number => {
  const electionTicks = Math.floor(electionMs / heartbeatMs);
  return Math.ceil((Math.floor((3 * electionTicks) / 2) * heartbeatMs) / 1_000);
};

/** etcdserverpb.Lease. */
export const leaseMethods = (options: LeaseServiceOptions): Method[] => {
  const { store, keeper, proposals, leader, headers, random } = options;
  const minTtl = BigInt(options.minTtlSeconds);
  const header = (): ResponseHeader => headers.at(store.revision);

  let lastId = randomId(random);
  /** The member that is asked chooses the id: applying knows no chance. */
  const freeId = (): bigint => {
    do lastId = lastId === largestId ? 1n : lastId + 1n;
    while (store.lease(lastId) !== undefined);
    return lastId;
  };

  return [
    unary("/etcdserverpb.Lease/LeaseGrant", LeaseGrantRequest, LeaseGrantResponse, ({ ID, TTL }, _call, reply) => {
      if (TTL > maxTtlSeconds)
        throw new ServerError("lease-ttl-too-large", `a TTL of ${TTL} s: at most ${maxTtlSeconds}`);
      const lease = { ID: ID === 0n ? freeId() : ID, TTL: TTL < minTtl ? minTtl : TTL };
      proposals.propose(
        { $case: "leaseGrant", value: lease },
        {
          applied: ({ revision }) => reply.send({ header: headers.at(revision), ...lease, error: "" }),
          failed: reply.fail,
        },
      );
    }),
    unary("/etcdserverpb.Lease/LeaseRevoke", LeaseRevokeRequest, LeaseRevokeResponse, ({ ID }, _call, reply) => {
      proposals.propose(
        { $case: "leaseRevoke", value: { ID } },
        { applied: ({ revision }) => reply.send({ header: headers.at(revision) }), failed: reply.fail },
      );
    }),
    bidi(
      "/etcdserverpb.Lease/LeaseKeepAlive",
      LeaseKeepAliveRequest,
      LeaseKeepAliveResponse,
      (_call, stream) => new KeepAliveStream({ leader, header }, stream),
    ),
    unary(
      "/etcdserverpb.Lease/LeaseTimeToLive",
      LeaseTimeToLiveRequest,
      LeaseTimeToLiveResponse,
      ({ ID, keys }, _call, reply) => {
        leader.ask(
          { $case: "queryLease", value: { lease: ID, keys } },
          {
            answered: ({ value: { grantedSeconds, remainingSeconds, encodedKeys } }) => {
              const TTL = grantedSeconds === 0n ? noTtl : remainingSeconds;
              const answer = { header: header(), ID, TTL, grantedTTL: grantedSeconds, keys: [] };
              // Fields that follow each other are one message.
              reply.send(Buffer.concat([LeaseTimeToLiveResponse.encode(answer).finish(), encodedKeys]));
            },
            failed: reply.fail,
          },
        );
      },
    ),
    unary("/etcdserverpb.Lease/LeaseLeases", LeaseLeasesRequest, LeaseLeasesResponse, (_request, _call, reply) => {
      store.inSlices((isTired) => listed(keeper, header(), isTired)).then(reply.send, reply.fail);
    }),
  ];
};

/** The answer to LeaseLeases, encoded in slices: there may be hundreds of thousands. */
function* listed(keeper: LeaseKeeper, header: ResponseHeader, isTired: IsTired): Sliced<Uint8Array> {
  const items: Uint8Array[] = [];
  for (const { id: ID } of yield* keeper.listLeases(isTired)) {
    items.push(LeaseStatus.encode({ ID }).finish());
    if (items.length % leasesPerLook === 0 && isTired(leasesPerLook)) yield;
  }
  return yield* encodeParts(leasesParts(header, items), isTired);
}

const leasesPerLook = 50;

/** 63 bits: ids are positive, and so far apart that no two members, or lives of one, meet. */
const randomId = (random: () => number): bigint => {
  const bits = (count: number): bigint => BigInt(Math.floor(random() * 2 ** count));
  return (bits(31) << 32n) | bits(32);
};

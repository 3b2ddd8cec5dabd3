import {
  counterFromRequest,
  HashKVRequest,
  HashKVResponse,
  MoveLeaderRequest,
  MoveLeaderResponse,
  StatusRequest,
  StatusResponse,
} from "../../proto/index.js";
import { type MemberId, noMember, type RaftNode } from "../../raft/index.js";
import type { KvStore } from "../../store/index.js";
import type { Applier } from "../replication/apply/index.js";
import { formatId, ServerError, serverVersion, storageVersion } from "../base/index.js";
import type { LeadershipTransfer, Reads } from "../replication/index.js";
import { type Method, type Reply, unary } from "../rpc/index.js";
import { alarmMethod } from "./alarms.js";
import type { ResponseHeaders } from "./response-header.js";

export interface MaintenanceServiceOptions {
  readonly node: RaftNode;
  readonly store: KvStore;
  readonly applier: Applier;
  readonly reads: Reads;
  readonly transfer: LeadershipTransfer;
  readonly headers: ResponseHeaders;
}

/** etcdserverpb.Maintenance, as far as it exists. Status and HashKV speak of this member alone. */
export const maintenanceMethods = (options: MaintenanceServiceOptions): Method[] => {
  const { node, store, applier, reads, transfer, headers } = options;
  const status = async (reply: Reply<StatusResponse>): Promise<void> => {
    const size = await store.size();
    const { leader, term, commit } = node.status();
    reply.send({
      header: headers.at(store.revision),
      version: serverVersion,
      dbSize: BigInt(size.allocatedBytes),
      dbSizeInUse: BigInt(size.inUseBytes),
      leader,
      raftIndex: BigInt(commit),
      raftTerm: BigInt(term),
      raftAppliedIndex: BigInt(applier.appliedIndex),
      errors: leader === noMember ? ["etcdserver: no leader"] : [],
      isLearner: false, // only voters exist
      storageVersion,
      dbSizeQuota: 0n, // no quota is enforced
      downgradeInfo: { enabled: false, targetVersion: "" },
    });
  };

  const hashKv = async (revision: bigint, reply: Reply<HashKVResponse>): Promise<void> => {
    const { hash, compactRevision, hashRevision } = await store.hashKv(counterFromRequest(revision));
    reply.send({
      header: headers.at(store.revision),
      hash,
      compactRevision: BigInt(compactRevision),
      hashRevision: revision === 0n ? BigInt(hashRevision) : revision, // a very negative one was not read exactly
    });
  };

  /** Answers once the other member leads, as far as this one knows; as in etcd without a header. */
  const moveLeader = (target: bigint, reply: Reply<MoveLeaderResponse>): void => {
    const { id, leader } = node.status();
    if (leader !== id) throw new ServerError("not-leader", `${formatId(leader)} leads, not this member`);
    if (!applier.members.all.some(({ ID }) => ID === target))
      throw new ServerError("bad-transferee", `there is no member ${formatId(target)}`);
    transfer.begin(target as MemberId, (leading) => {
      if (leading === target) reply.send({ header: undefined });
      else
        reply.fail(new ServerError("transfer-failed", `${formatId(target)} was not heard, or was not elected in time`));
    });
  };

  return [
    alarmMethod({ store, reads, headers }),
    unary("/etcdserverpb.Maintenance/MoveLeader", MoveLeaderRequest, MoveLeaderResponse, (request, _call, reply) => {
      moveLeader(request.targetID, reply);
    }),
    unary("/etcdserverpb.Maintenance/Status", StatusRequest, StatusResponse, (_request, _call, reply) => {
      status(reply).catch(reply.fail);
    }),
    unary("/etcdserverpb.Maintenance/HashKV", HashKVRequest, HashKVResponse, ({ revision }, _call, reply) => {
      hashKv(revision, reply).catch(reply.fail);
    }),
  ];
};

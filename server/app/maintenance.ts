import { counterFromRequest, type StatusResponse } from "../../proto/index.js";
import { type MemberId, noMember, type RaftNode } from "../../raft/index.js";
import type { BackendSize, KvStore } from "../../store/index.js";
import { formatId, type ReportedVersions, ServerError } from "../base/index.js";
import type { Applier } from "../replication/apply/index.js";
import type { LeadershipTransfer, SpaceQuota } from "../replication/index.js";
import { type AlarmParts, alarmOperation, alarmText } from "./alarms.js";
import type { Application } from "./application.js";
import { downgradeOperation } from "./downgrade.js";

/** The components that etcd's Maintenance reports on and acts on. */
export interface MaintenanceParts extends AlarmParts {
  readonly node: Pick<RaftNode, "status">;
  readonly store: Pick<KvStore, "revision" | "size" | "hash" | "hashKv" | "defragment">;
  readonly applier: Pick<Applier, "appliedIndex" | "members" | "alarms" | "auth">;
  readonly transfer: Pick<LeadershipTransfer, "beginTransfer">;
}

/** The settings of the operations of etcd's Maintenance. */
export interface MaintenanceSettings {
  readonly versions: ReportedVersions;
}

type MaintenanceOperations = Pick<
  Application,
  "status" | "hash" | "hashKv" | "defragment" | "downgrade" | "moveLeader" | "alarm"
>;

/** The implemented operations of etcd's Maintenance. Status and HashKV describe this member alone. */
export const maintenanceOperations = (
  parts: MaintenanceParts,
  quota: Pick<SpaceQuota, "reportedBytes">,
  { versions }: MaintenanceSettings,
): MaintenanceOperations => {
  const { node, store, applier, transfer } = parts;
  return {
    alarm: alarmOperation(parts),
    downgrade: downgradeOperation(parts, versions),
    hash: (_caller, _request, handler) => {
      store.hash().then(
        (hash) => handler.onResult({ response: { header: undefined, hash }, revision: store.revision }),
        (error: unknown) => handler.onError(error),
      );
    },
    defragment: (_caller, _request, handler) => {
      store.defragment().then(
        () => handler.onResult(undefined),
        (error: unknown) => handler.onError(error),
      );
    },
    status: (_caller, _request, handler) => {
      store.size().then(
        (size) => handler.onResult({ response: statusOf(parts, versions, quota, size), revision: store.revision }),
        (error: unknown) => handler.onError(error),
      );
    },
    hashKv: (_caller, { revision }, handler) => {
      store.hashKv(counterFromRequest(revision)).then(
        ({ hash, compactRevision, hashRevision }) => {
          const response = {
            header: undefined,
            hash,
            compactRevision: BigInt(compactRevision),
            hashRevision: revision === 0n ? BigInt(hashRevision) : revision, // the request's own: the number may be clamped
          };
          handler.onResult({ response, revision: store.revision });
        },
        (error: unknown) => handler.onError(error),
      );
    },
    moveLeader: (_caller, { targetID: target }, handler) => {
      const { id, leader } = node.status();
      if (leader !== id) throw new ServerError("not-leader", `${formatId(leader)} leads, not this member`);
      if (!applier.members.all.some(({ ID }) => ID === target))
        throw new ServerError("bad-transferee", `there is no member ${formatId(target)}`);
      transfer.beginTransfer(target as MemberId, (leading) => {
        if (leading === target) handler.onResult(undefined);
        else
          handler.onError(
            new ServerError("transfer-failed", `${formatId(target)} did not answer, or was not elected in time`),
          );
      });
    },
  };
};

const statusOf = (
  { node, applier }: MaintenanceParts,
  versions: ReportedVersions,
  quota: Pick<SpaceQuota, "reportedBytes">,
  size: BackendSize,
): StatusResponse => {
  const { leader, term, commit } = node.status();
  return {
    header: undefined,
    version: versions.server,
    dbSize: BigInt(size.allocatedBytes),
    dbSizeInUse: BigInt(size.inUseBytes),
    leader,
    raftIndex: BigInt(commit),
    raftTerm: BigInt(term),
    raftAppliedIndex: BigInt(applier.appliedIndex),
    errors: [...(leader === noMember ? ["etcdserver: no leader"] : []), ...applier.alarms.all.map(alarmText)],
    isLearner: false, // all members are voters
    storageVersion: versions.storage,
    dbSizeQuota: BigInt(quota.reportedBytes),
    downgradeInfo: { enabled: false, targetVersion: "" },
  };
};

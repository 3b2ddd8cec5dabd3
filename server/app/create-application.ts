import type { RaftNode } from "../../raft/index.js";
import type { KvStore } from "../../store/index.js";
import type { LeaderCalls, LeaseKeeper } from "../lease/index.js";
import type { Applier, CommandResults } from "../replication/apply/index.js";
import type { LeadershipTransfer, Proposals, Reads, SpaceQuota } from "../replication/index.js";
import type { Application } from "./application.js";
import { authOperations, type LoginParts } from "./auth.js";
import type { Access } from "./access.js";
import { clusterOperations } from "./cluster.js";
import { kvOperations } from "./kv.js";
import { leaseOperations, type LeaseSettings } from "./lease.js";
import { maintenanceOperations, type MaintenanceSettings } from "./maintenance.js";
import { rangeStreamOperation, type RangeStreamSettings } from "./range-stream.js";
import type { RequestStats } from "./request-stats.js";
import { watchOperation, type WatchSettings } from "./watch-session.js";

/** The components that the operations use. */
export interface ApplicationParts {
  readonly store: KvStore;
  readonly proposals: Proposals<CommandResults>;
  readonly reads: Reads;
  readonly leases: LeaseKeeper;
  readonly leader: LeaderCalls;
  readonly node: RaftNode;
  readonly applier: Applier;
  readonly transfer: LeadershipTransfer;
}

type AllSettings = LeaseSettings & WatchSettings & MaintenanceSettings & RangeStreamSettings;

/** The settings of all operations. */
export interface ApplicationSettings extends Omit<AllSettings, "access"> {
  /** The maximum number of compares of a transaction, and of operations of a branch. */
  readonly maxTxnOps: number;
  readonly stats: RequestStats;
}

/**
 * Creates etcd's operations, with the checks that belong to each.
 * @param access authenticates callers, and says what each may do
 */
export const createApplication = (
  parts: ApplicationParts & LoginParts,
  quota: SpaceQuota,
  access: Access,
  settings: ApplicationSettings,
): Application => {
  const withAccess = { ...settings, access };
  return {
    ...kvOperations(parts, quota, withAccess),
    ...leaseOperations(parts, quota, withAccess),
    rangeStream: rangeStreamOperation(parts, withAccess),
    watch: watchOperation(parts.store, withAccess),
    ...clusterOperations(parts),
    ...maintenanceOperations(parts, quota, settings),
    ...authOperations(parts, access),
  };
};

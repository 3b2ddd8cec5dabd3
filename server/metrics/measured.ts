// The components of a member that its metrics read, reduced to what they need.

import type { Clock } from "../../platform/index.js";
import type { MemberId, RaftNode, Wal } from "../../raft/index.js";
import type { KvStore } from "../../store/index.js";
import type { RequestStats } from "../app/index.js";
import type { ReportedVersions } from "../base/index.js";
import type { HealthStats } from "../http/index.js";
import type { LeaseKeeper } from "../lease/index.js";
import type { PeerStats } from "../peers/index.js";
import type { Applier, CommandResults } from "../replication/apply/index.js";
import type { Proposals, Reads, SpaceQuota } from "../replication/index.js";
import type { Method } from "../rpc/index.js";

/** A replica; `Replica` implements it. */
export interface MeasuredReplica {
  readonly id: MemberId;
  readonly leaderChanges: number;
  readonly node: Pick<RaftNode, "status" | "overdueHeartbeats">;
  readonly log: Pick<Wal, "writes">;
  readonly store: Pick<KvStore, "revision" | "compactRevision" | "keyCount" | "size" | "stats">;
  readonly applier: Pick<
    Applier,
    "appliedIndex" | "members" | "alarms" | "auth" | "durations" | "slowApplies" | "isInstalling"
  >;
  readonly proposals: Pick<Proposals<CommandResults>, "size" | "failedCount" | "durations">;
  readonly reads: Pick<Reads, "slowRequests" | "refusedRequests">;
  readonly leases: Pick<LeaseKeeper, "stats">;
  readonly quota: Pick<SpaceQuota, "reportedBytes">;
  readonly peerStats: PeerStats;
}

/** A feature gate; `Feature` of the configuration implements it. */
export interface MeasuredFeature {
  readonly name: string;
  readonly stage: string;
  readonly isEnabled: boolean;
}

/** A member, as its metrics read it. */
export interface MeasuredMember {
  readonly replica: MeasuredReplica;
  readonly versions: ReportedVersions;
  readonly features: readonly MeasuredFeature[];
  readonly methods: readonly Method[];
  readonly requests: RequestStats;
  readonly health: HealthStats;
  readonly clock: Pick<Clock, "now">;
}

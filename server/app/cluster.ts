import type { Applier } from "../replication/apply/index.js";
import type { Reads } from "../replication/index.js";
import type { Application } from "./application.js";

/** The components from which etcd's MemberList answers. */
export interface ClusterParts {
  readonly applier: Pick<Applier, "members">;
  readonly reads: Pick<Reads, "startRead">;
}

/** The implemented operations of etcd's Cluster: the list of members. */
export const clusterOperations = ({ applier, reads }: ClusterParts): Pick<Application, "memberList"> => ({
  memberList: (_caller, { linearizable }, handler) => {
    const onReady = (): void => handler.onResult(applier.members.all);
    if (linearizable) reads.startRead({ dueSweep: 0, onReady, onError: (error) => handler.onError(error) });
    else onReady();
  },
});

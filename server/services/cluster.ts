import { MemberListRequest, MemberListResponse } from "../../proto/index.js";
import type { Applier } from "../replication/apply/index.js";
import type { Reads } from "../replication/index.js";
import { type Method, unary } from "../rpc/index.js";
import type { ResponseHeaders } from "./response-header.js";

export interface ClusterServiceOptions {
  readonly applier: Applier;
  readonly reads: Reads;
  readonly headers: ResponseHeaders;
}

/** etcdserverpb.Cluster, as far as it exists: the list of members. */
export const clusterMethods = ({ applier, reads, headers }: ClusterServiceOptions): Method[] => [
  unary("/etcdserverpb.Cluster/MemberList", MemberListRequest, MemberListResponse, ({ linearizable }, _call, reply) => {
    const answer = (): void => reply.send({ header: headers.at(0), members: applier.members.all });
    if (linearizable) reads.whenLinearizable(answer, reply.fail);
    else answer();
  }),
];

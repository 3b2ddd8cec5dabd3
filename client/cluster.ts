// The members of the cluster.
import { ClusterDefinition, type Member } from "../proto/index.js";
import { type Endpoints, type Header, headerOf, type RequestOptions, unaryMethod } from "./transport/index.js";

/** The members of the cluster. @see etcd v3 API, MemberListResponse */
export interface MemberListResult {
  /** The header; its `revision` is 0. */
  readonly header: Header;
  /** The members, ordered by id. A member that has not started yet has no name and no client URLs. */
  readonly members: readonly Member[];
}

const memberList = unaryMethod("read", ClusterDefinition, ClusterDefinition.methods.memberList);

/** @see etcd v3 API, Cluster */
export class Cluster {
  constructor(private readonly endpoints: Endpoints) {}

  /** @param options.serializable answered by one member from what it knows; otherwise confirmed by a quorum */
  async memberList(
    options: { readonly serializable?: boolean | undefined } & RequestOptions = {},
  ): Promise<MemberListResult> {
    const request = { linearizable: !options.serializable };
    const { header, members } = await this.endpoints.call(memberList, request, options);
    return { header: headerOf(header), members };
  }
}

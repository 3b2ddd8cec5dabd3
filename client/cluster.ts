// The members of the cluster.
import { ClusterDefinition, Member } from "../proto/index.js";
import { type Endpoints, type Header, headerOf, type RequestOptions, unaryMethod } from "./transport/index.js";

/** The members of the cluster. @see etcd v3 API, MemberListResponse */
export interface MemberListResult {
  /** The header; its `revision` is 0. */
  readonly header: Header;
  /** The members, ordered by id. A member that has not started yet has no name and no client URLs. */
  readonly members: readonly Member[];
}

/** The members after a change. */
export interface MemberChangeResult {
  /** The header; its `revision` is 0. */
  readonly header: Header;
  /** The members, ordered by id. */
  readonly members: readonly Member[];
}

/** The result of adding a member. @see etcd v3 API, MemberAddResponse */
export interface MemberAddResult extends MemberChangeResult {
  /** The new member; it has no name until it has started. */
  readonly member: Member;
}

const { methods } = ClusterDefinition;
const memberList = unaryMethod("read", ClusterDefinition, methods.memberList);
const memberAdd = unaryMethod("write", ClusterDefinition, methods.memberAdd);
const memberRemove = unaryMethod("write", ClusterDefinition, methods.memberRemove);
const memberUpdate = unaryMethod("write", ClusterDefinition, methods.memberUpdate);
const memberPromote = unaryMethod("write", ClusterDefinition, methods.memberPromote);

/** Lists and changes the members of the cluster. @see etcd v3 API, Cluster */
export class Cluster {
  constructor(private readonly endpoints: Endpoints) {}

  /** Lists the members. @param options.serializable answered by one member from its own state; otherwise confirmed by a quorum */
  async memberList(
    options: { readonly serializable?: boolean | undefined } & RequestOptions = {},
  ): Promise<MemberListResult> {
    const request = { linearizable: !options.serializable };
    const { header, members } = await this.endpoints.call(memberList, request, options);
    return { header: headerOf(header), members };
  }

  /** Adds a member, which is then to be started. Members of minietcd cannot be changed yet: they answer UNIMPLEMENTED. */
  async memberAdd(
    peerURLs: readonly string[],
    {
      isLearner = false,
      ...options
    }: {
      /** The member does not vote until it is promoted. */
      readonly isLearner?: boolean | undefined;
    } & RequestOptions = {},
  ): Promise<MemberAddResult> {
    const request = { peerURLs: [...peerURLs], isLearner };
    const { header, member, members } = await this.endpoints.call(memberAdd, request, options);
    return { header: headerOf(header), member: member ?? Member.create(), members };
  }

  /** Removes a member. Members of minietcd cannot be changed yet: they answer UNIMPLEMENTED. */
  async memberRemove(id: bigint, options: RequestOptions = {}): Promise<MemberChangeResult> {
    const { header, members } = await this.endpoints.call(memberRemove, { ID: id }, options);
    return { header: headerOf(header), members };
  }

  /** Replaces the peer URLs of a member. Members of minietcd cannot be changed yet: they answer UNIMPLEMENTED. */
  async memberUpdate(
    id: bigint,
    peerURLs: readonly string[],
    options: RequestOptions = {},
  ): Promise<MemberChangeResult> {
    const request = { ID: id, peerURLs: [...peerURLs] };
    const { header, members } = await this.endpoints.call(memberUpdate, request, options);
    return { header: headerOf(header), members };
  }

  /** Has a learner vote. Members of minietcd cannot be changed yet: they answer UNIMPLEMENTED. */
  async memberPromote(id: bigint, options: RequestOptions = {}): Promise<MemberChangeResult> {
    const { header, members } = await this.endpoints.call(memberPromote, { ID: id }, options);
    return { header: headerOf(header), members };
  }
}

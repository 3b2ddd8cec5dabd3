// The header of every response.
import { counterFromResponse, type ResponseHeader } from "../../proto/index.js";

/**
 * The member that answered, and its revision. Inside a transaction's results only `revision` is set.
 *
 * @see etcd v3 API, ResponseHeader
 */
export interface Header {
  /** Id of the cluster. */
  readonly clusterId: bigint;
  /** Id of the member that answered. */
  readonly memberId: bigint;
  /** The revision that a write made, or the store's revision at the time of a read. */
  readonly revision: number;
  /** Term of that member. */
  readonly raftTerm: number;
}

/** Reads a header; a missing header is all zero, like every absent field. */
export const headerOf = (header: ResponseHeader | undefined): Header => ({
  clusterId: header?.clusterId ?? 0n,
  memberId: header?.memberId ?? 0n,
  revision: counterFromResponse(header?.revision ?? 0n),
  raftTerm: counterFromResponse(header?.raftTerm ?? 0n),
});

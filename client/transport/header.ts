// What every answer starts with.
import { counterFromResponse, type ResponseHeader } from "../../proto/index.js";

/** Who answered, and when in the history of the store. Inside a transaction's answers only `revision` is set. */
export interface Header {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  /** Of a write: the revision it made. Of a read: the store's revision at that time. */
  readonly revision: number;
  readonly raftTerm: number;
}

/** A header that is not there reads as all zero, as every absent field does. */
export const headerOf = (header: ResponseHeader | undefined): Header => ({
  clusterId: header?.clusterId ?? 0n,
  memberId: header?.memberId ?? 0n,
  revision: counterFromResponse(header?.revision ?? 0n),
  raftTerm: counterFromResponse(header?.raftTerm ?? 0n),
});

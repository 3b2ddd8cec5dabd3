import type { ResponseHeader } from "../../proto/index.js";
import type { ClusterId } from "../base/index.js";

/** Makes the header that every answer of a member begins with. */
export class ResponseHeaders {
  constructor(
    private readonly clusterId: ClusterId,
    private readonly memberId: bigint,
    private readonly currentTerm: () => number,
  ) {}

  /** The newest one that this member knows. */
  get term(): number {
    return this.currentTerm();
  }

  /** @param revision 0: answers about members carry none, as in etcd */
  at(revision: number): ResponseHeader {
    return {
      clusterId: this.clusterId,
      memberId: this.memberId,
      revision: BigInt(revision),
      raftTerm: BigInt(this.term),
    };
  }
}

import { HeaderEncoder, type ResponseHeader } from "../../proto/index.js";
import type { ClusterId } from "../base/index.js";

/** Makes the header that every answer of a member begins with. */
export class ResponseHeaders {
  private readonly encoder: HeaderEncoder;

  constructor(
    private readonly clusterId: ClusterId,
    private readonly memberId: bigint,
    private readonly currentTerm: () => number,
  ) {
    this.encoder = new HeaderEncoder(clusterId, memberId);
  }

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

  /** Returns the same, encoded as the field that it is of every response. */
  encodedAt(revision: number): Uint8Array {
    return this.encoder.encode(revision, this.term);
  }
}

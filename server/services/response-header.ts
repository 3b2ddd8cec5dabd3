import { HeaderEncoder, type ResponseHeader } from "../../proto/index.js";
import type { ClusterId, MemberId } from "../base/index.js";

/** Builds the header of a member's answers. */
export class ResponseHeaders {
  private readonly encoder: HeaderEncoder;
  /** The term as encoded in the previous header. */
  private raftTerm = 0n;

  constructor(
    private readonly clusterId: ClusterId,
    private readonly memberId: MemberId,
    private readonly currentTerm: () => number,
  ) {
    this.encoder = new HeaderEncoder(clusterId, memberId);
  }

  /** The newest term that this member knows. */
  get term(): number {
    return this.currentTerm();
  }

  /** @param revision 0: answers about members have no revision, as in etcd */
  at(revision: number): ResponseHeader {
    const { clusterId, memberId, term } = this;
    if (Number(this.raftTerm) !== term) this.raftTerm = BigInt(term);
    return { clusterId, memberId, revision: BigInt(revision), raftTerm: this.raftTerm };
  }

  /** Encodes the header as the field of a response. */
  encodeAt(revision: number): Uint8Array {
    return this.encoder.encode(revision, this.term);
  }
}

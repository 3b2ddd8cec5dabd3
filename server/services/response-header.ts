import { HeaderEncoder, type ResponseHeader } from "../../proto/index.js";
import type { ClusterId } from "../base/index.js";

/** Makes the header that every answer of a member begins with. */
export class ResponseHeaders {
  private readonly encoder: HeaderEncoder;
  /** The term of the header before, as a header has it. */
  private raftTerm = 0n;

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
    const { clusterId, memberId, term } = this;
    if (Number(this.raftTerm) !== term) this.raftTerm = BigInt(term);
    return { clusterId, memberId, revision: BigInt(revision), raftTerm: this.raftTerm };
  }

  /** Returns the same, encoded as the field that it is of every response. */
  encodedAt(revision: number): Uint8Array {
    return this.encoder.encode(revision, this.term);
  }
}

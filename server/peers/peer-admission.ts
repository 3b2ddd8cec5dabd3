import type { MemberId } from "../../raft/index.js";
import type { Incarnation, HelloRefusal } from "./hello.js";

/** The incarnations of this member and of its peers; `PeerIncarnations` implements it. */
export interface PeerAdmission {
  /** The incarnation of this member, for its hellos. */
  readonly own: Incarnation;
  /**
   * Admits a peer's incarnation unless it is stale. The incarnation is durable when the promise resolves: no message of the
   * peer may be used before.
   *
   * @returns the refusal; undefined if the peer is admitted
   */
  admitPeer(member: MemberId, incarnation: Incarnation): Promise<HelloRefusal | undefined>;
}

import type { Calls } from "../../proto/index.js";
import type { MemberId, PeerMessage } from "../../raft/index.js";
import type { SnapshotChannel } from "./channel.js";

/** Receives the events of the links to the other members, from `Peers.open` on. */
export interface PeersListener {
  /** Reports a consensus message. */
  onMessage(from: MemberId, message: PeerMessage): void;
  /** Reports calls of a peer, or responses to calls of this member. */
  onCalls(from: MemberId, calls: Calls): void;
  /** Reports a channel over which a peer will send a snapshot. */
  onSnapshot(from: MemberId, channel: SnapshotChannel): void;
  /** Reports that a peer refused this member as stale: it must stop. */
  onFenced(reason: string): void;
  /** Reports that the link to a peer is established; earlier messages may be lost. */
  onLinkOpened(peer: MemberId): void;
  /** Reports that the link to or from a peer closed. */
  onLinkClosed(peer: MemberId): void;
}

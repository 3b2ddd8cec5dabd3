import { exponentialBounds, Histogram } from "../../platform/index.js";
import type { MemberId } from "../../raft/index.js";

/** The time after which an unanswered heartbeat counts as lost, in milliseconds. */
const lostAfterMs = 5_000;

/** Counts the traffic with one peer. */
export class PeerTraffic {
  /** Whether the link to the peer is established. */
  isActive = false;
  /** The number of closed links to the peer. */
  disconnects = 0;
  /** Bytes on the links, including frames. */
  sentBytes = 0;
  receivedBytes = 0;
  /** Messages that were dropped without a link; received bytes that are no message. */
  sentFailures = 0;
  receivedFailures = 0;
  /** Round-trip times of the heartbeats of this member as a leader. */
  readonly roundTripSeconds = new Histogram(exponentialBounds(0.0001, 2, 16));
  private awaited: { readonly round: number; readonly sentAt: number } | undefined;

  /** Records a sent heartbeat; its answer is measured unless an earlier answer is pending. */
  onHeartbeat(round: number, now: number): void {
    if (this.awaited === undefined || now - this.awaited.sentAt > lostAfterMs) this.awaited = { round, sentAt: now };
  }

  /** Measures the answer to a heartbeat. */
  onHeartbeatReply(round: number, now: number): void {
    const { awaited } = this;
    if (awaited?.round !== round) return;
    this.awaited = undefined;
    this.roundTripSeconds.observe((now - awaited.sentAt) / 1_000);
  }
}

/** Counts the traffic with each peer. */
export class PeerStats {
  private readonly byPeer = new Map<MemberId, PeerTraffic>();

  /** The traffic of each peer. */
  get all(): Iterable<readonly [MemberId, PeerTraffic]> {
    return this.byPeer;
  }

  /** Returns the traffic with a member of the cluster. */
  of(peer: MemberId): PeerTraffic {
    let traffic = this.byPeer.get(peer);
    if (traffic === undefined) this.byPeer.set(peer, (traffic = new PeerTraffic()));
    return traffic;
  }
}

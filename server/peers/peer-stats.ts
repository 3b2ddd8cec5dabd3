import { exponentialBounds, Histogram } from "../../platform/index.js";
import type { MemberId } from "../../raft/index.js";

/** A heartbeat that is not answered for so long is lost, in milliseconds. */
const lostAfterMs = 5_000;

/** Counts the traffic with one peer. */
export class PeerTraffic {
  /** Tells whether the link to the peer is established. */
  isActive = false;
  /** Ends of established links to the peer. */
  disconnects = 0;
  /** Bytes on the links, with what frames the messages. */
  sentBytes = 0;
  receivedBytes = 0;
  /** Messages that were dropped for lack of a link; bytes that are no message. */
  sentFailures = 0;
  receivedFailures = 0;
  /** The time from a heartbeat of this member, which leads, to the answer. */
  readonly roundTripSeconds = new Histogram(exponentialBounds(0.0001, 2, 16));
  private awaited: { readonly round: number; readonly sentAt: number } | undefined;

  /** Notes a heartbeat that is sent; its answer is measured unless an earlier one is still awaited. */
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

import type { LogPosition, MemberId } from "../../raft/core/ids.js";
import type { ReceivedSnapshot } from "../../raft/core/types.js";
import type { Member } from "./member.js";
import type { SeededRandom } from "../../testing/index.js";

/** A snapshot in flight from one process to a member. */
export interface SnapshotInFlight extends ReceivedSnapshot {
  /** The sending process, which learns of the end; a later process of the same member does not. */
  readonly sender: Member;
  readonly to: MemberId;
}

interface Timed {
  readonly snapshot: SnapshotInFlight;
  arrivesAt: number;
  endsAt: number;
}

export interface ChannelEvents {
  /**
   * Delivers a whole snapshot to its receiver.
   * @returns false if the receiver cannot receive it now: it waits
   */
  onArrived(snapshot: SnapshotInFlight): boolean;
  /**
   * Reports the end of the snapshot to its sender, with success or without.
   * @returns false if the sender cannot handle that now
   */
  onEnded(snapshot: SnapshotInFlight): boolean;
}

/** Snapshots in flight: they take time, get lost, end early, or arrive when they are no longer needed. */
export class SnapshotChannels {
  private timed: Timed[] = [];

  constructor(
    private readonly random: SeededRandom,
    private readonly maxTicks: number,
  ) {}

  /** Tells whether `sender` already sends a snapshot to `to`; then no other one is begun, as both would end with the first. */
  isUnderWay(sender: Member, to: MemberId): boolean {
    return this.timed.some(
      ({ snapshot, endsAt }) => snapshot.sender === sender && snapshot.to === to && endsAt < Infinity,
    );
  }

  begin({ sender, to, position, now }: { sender: Member; to: MemberId; position: LogPosition; now: number }): void {
    const snapshot = { sender, to, from: sender.id, leaderTerm: sender.core.status().term, position };
    const maxArrivalTicks = this.random.pick([2, this.maxTicks]);
    const arrivesAt = this.random.chance(0.3) ? Infinity : now + this.random.between(1, maxArrivalTicks);
    this.timed.push({ snapshot, arrivesAt, endsAt: now + this.random.between(1, this.maxTicks) });
  }

  /** Delivers the events that are due by `now`. */
  deliverDue(now: number, events: ChannelEvents): void {
    for (const timed of [...this.timed]) {
      if (timed.arrivesAt <= now && events.onArrived(timed.snapshot)) timed.arrivesAt = Infinity;
      if (timed.endsAt <= now && events.onEnded(timed.snapshot)) timed.endsAt = Infinity;
    }
    this.timed = this.timed.filter(({ arrivesAt, endsAt }) => arrivesAt < Infinity || endsAt < Infinity);
  }
}

import type { LogPosition, MemberId } from "../../raft/core/ids.js";
import type { ReceivedSnapshot } from "../../raft/core/types.js";
import type { Member } from "./member.js";
import type { SeededRandom } from "../../testing/index.js";

/** A snapshot in flight from one process to a member. */
export interface Stream extends ReceivedSnapshot {
  /** The sending process, which learns of the end; a later process of the same member does not. */
  readonly sender: Member;
  readonly to: MemberId;
}

interface Timed {
  readonly stream: Stream;
  arrivesAt: number;
  endsAt: number;
}

export interface StreamEvents {
  /**
   * Has a member receive a whole snapshot.
   * @returns false if the receiver cannot take it now: it waits
   */
  onArrived(stream: Stream): boolean;
  /**
   * Tells the sender that the stream has ended, with success or without.
   * @returns false if the sender cannot take that now
   */
  onEnded(stream: Stream): boolean;
}

/** Snapshots in flight: they take time, get lost, end early, or arrive when they are no longer needed. */
export class SnapshotStreams {
  private timed: Timed[] = [];

  constructor(
    private readonly random: SeededRandom,
    private readonly maxTicks: number,
  ) {}

  /** Tells whether `sender` already sends a snapshot to `to`; then no other one is begun, as both would end with the first. */
  isUnderWay(sender: Member, to: MemberId): boolean {
    return this.timed.some(({ stream, endsAt }) => stream.sender === sender && stream.to === to && endsAt < Infinity);
  }

  begin({ sender, to, position, now }: { sender: Member; to: MemberId; position: LogPosition; now: number }): void {
    const stream = { sender, to, from: sender.id, leaderTerm: sender.core.status().term, position };
    const most = this.random.pick([2, this.maxTicks]);
    const arrivesAt = this.random.chance(0.3) ? Infinity : now + this.random.between(1, most);
    this.timed.push({ stream, arrivesAt, endsAt: now + this.random.between(1, this.maxTicks) });
  }

  /** Delivers the events that are due by `now`. */
  move(now: number, events: StreamEvents): void {
    for (const timed of [...this.timed]) {
      if (timed.arrivesAt <= now && events.onArrived(timed.stream)) timed.arrivesAt = Infinity;
      if (timed.endsAt <= now && events.onEnded(timed.stream)) timed.endsAt = Infinity;
    }
    this.timed = this.timed.filter(({ arrivesAt, endsAt }) => arrivesAt < Infinity || endsAt < Infinity);
  }
}

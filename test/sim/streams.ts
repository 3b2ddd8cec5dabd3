import type { LogPosition, MemberId } from "../../raft/core/ids.js";
import type { ReceivedSnapshot } from "../../raft/core/types.js";
import type { Member } from "./member.js";
import type { SeededRandom } from "../../testing/index.js";

/** A snapshot on its way from one process to a member. */
export interface Stream extends ReceivedSnapshot {
  /** The process that sends it, which is told of the end; a later process of the same member is not. */
  readonly sender: Member;
  readonly to: MemberId;
}

interface Timed {
  readonly stream: Stream;
  arrivesAt: number;
  endsAt: number;
}

export interface StreamEvents {
  /** Receives a whole stream. @returns false if nobody takes it in now: it waits */
  onArrived(stream: Stream): boolean;
  /** Its sender knows that it ended, well or not. @returns false if the sender cannot take that in now */
  onEnded(stream: Stream): boolean;
}

/** Snapshots on their way: they take their time, get lost, end before they arrive, and arrive when nobody needs them. */
export class SnapshotStreams {
  private timed: Timed[] = [];

  constructor(
    private readonly random: SeededRandom,
    private readonly maxTicks: number,
  ) {}

  /** Whether `sender` has one under way to `to`: then another is not begun, as its end will be the end of both. */
  isUnderWay(sender: Member, to: MemberId): boolean {
    return this.timed.some(({ stream, endsAt }) => stream.sender === sender && stream.to === to && endsAt < Infinity);
  }

  begin({ sender, to, position, now }: { sender: Member; to: MemberId; position: LogPosition; now: number }): void {
    const stream = { sender, to, from: sender.id, leaderTerm: sender.core.status().term, position };
    const most = this.random.pick([2, this.maxTicks]);
    const arrivesAt = this.random.chance(0.3) ? Infinity : now + this.random.between(1, most);
    this.timed.push({ stream, arrivesAt, endsAt: now + this.random.between(1, this.maxTicks) });
  }

  /** Tells what happens by `now`. */
  move(now: number, events: StreamEvents): void {
    for (const timed of [...this.timed]) {
      if (timed.arrivesAt <= now && events.onArrived(timed.stream)) timed.arrivesAt = Infinity;
      if (timed.endsAt <= now && events.onEnded(timed.stream)) timed.endsAt = Infinity;
    }
    this.timed = this.timed.filter(({ arrivesAt, endsAt }) => arrivesAt < Infinity || endsAt < Infinity);
  }
}

import assert from "node:assert/strict";
import type { LogIndex, LogPosition, MemberId } from "../../raft/core/ids.js";
import type { Member } from "./member.js";
import { describe, isLeader, type Ground, type Seat } from "./seat.js";
import { SnapshotStreams, type Stream } from "./streams.js";

/** Compacts the logs of a cluster, and sends snapshots to members that lack compacted entries. Raft paper §7. */
export class ClusterSnapshots {
  /** Number of snapshots that replaced a log. */
  installed = 0;
  private readonly streams: SnapshotStreams;

  constructor(private readonly ground: Ground) {
    this.streams = new SnapshotStreams(ground.random, 2 * ground.electionTicks);
  }

  /** Advances the snapshots in flight by one tick. */
  tick(): void {
    this.streams.move(this.ground.now, {
      onArrived: (stream) => this.onArrived(stream),
      onEnded: (stream) => this.onEnded(stream),
    });
  }

  /** Makes a random part of the state machine's applied entries durable. */
  flush(seat: Seat): void {
    const index = this.ground.random.between(seat.disk.machine.index, seat.applied);
    if (index > seat.disk.machine.index) seat.disk.machine = this.ground.safety.positionOf(index as LogIndex);
  }

  /** Compacts a log in memory, and partly on disk; entries that the state machine may lose in a crash stay. */
  compact(): void {
    const { ground } = this;
    const { random } = ground;
    const seat = random.pick(ground.seats);
    if (seat.member === undefined || ground.isFrozen(seat)) return;
    this.flush(seat);
    const through = Math.max(0, seat.disk.machine.index - random.between(0, 5)) as LogIndex;
    ground.note(`${seat.id} cuts its log up to ${through}`);
    seat.member.compact(through, random.pick([0, 0, 3]));
    seat.member.pump();
  }

  /** Sends a snapshot to `to`, which needs compacted entries of `seat`. */
  onNeeded(seat: Seat, to: MemberId): void {
    const { member } = seat;
    if (member === undefined || this.streams.isUnderWay(member, to)) return;
    if (this.ground.random.chance(0.8)) seat.disk.machine = member.lastApplied; // the newest position possible
    this.streams.begin({ sender: member, to, position: seat.disk.machine, now: this.ground.now });
  }

  /** Sends a snapshot that the receiver did not ask for or no longer needs: it may have the contents already, or be about to. */
  sendNeedless(): void {
    const { random, seats } = this.ground;
    const seat = random.pick(seats);
    const to = random.pick(seats).id;
    if (seat.id !== to && isLeader(seat) && seat.applied > 0) this.onNeeded(seat, to);
  }

  /** Has a member begin to install a snapshot. */
  install(seat: Seat, position: LogPosition): void {
    const { random, safety, now, electionTicks } = this.ground;
    safety.checkCommitted(position, `member ${seat.id} takes over a snapshot`);
    seat.installDoneAt = now + random.between(0, random.pick([1, electionTicks, 3 * electionTicks]));
  }

  finishInstall(seat: Seat, member: Member): void {
    const position = member.installing;
    assert.ok(position !== undefined && position.index > seat.applied, `member ${seat.id} goes back to a snapshot`);
    seat.applied = position.index;
    this.ground.note(`${seat.id} holds the snapshot at ${describe(position)}`);
    this.installed++;
    member.finishInstall();
    if (!this.ground.isQuiet && this.ground.random.chance(0.1)) this.ground.crash(seat); // a crash before the log is restarted, or during that
  }

  private onArrived({ from, to, leaderTerm, position }: Stream): boolean {
    const seat = this.ground.seatOf(to);
    if (this.ground.isFrozen(seat)) return false;
    this.ground.note(`${from}→${to} a snapshot at ${describe(position)}`);
    this.ground.step(seat, { kind: "snapshotReceived", from, leaderTerm, position });
    return true;
  }

  private onEnded({ from, to, sender }: Stream): boolean {
    const seat = this.ground.seatOf(from);
    if (this.ground.isFrozen(seat)) return false;
    if (seat.member === sender) this.ground.step(seat, { kind: "snapshotEnded", peer: to });
    return true;
  }
}

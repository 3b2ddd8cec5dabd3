import assert from "node:assert/strict";
import type { LogIndex, LogPosition, MemberId } from "../../raft/core/ids.js";
import type { Member } from "./member.js";
import { describe, isLeader, type Ground, type SimMachine } from "./sim-machine.js";
import { SnapshotChannels, type SnapshotInFlight } from "./snapshot-channels.js";

/** Compacts the logs of a cluster, and sends snapshots to members that lack compacted entries. Raft paper §7. */
export class ClusterSnapshots {
  /** Number of snapshots that replaced a log. */
  installed = 0;
  private readonly channels: SnapshotChannels;

  constructor(private readonly ground: Ground) {
    this.channels = new SnapshotChannels(ground.random, 2 * ground.electionTicks);
  }

  /** Advances the snapshots in flight by one tick. */
  tick(): void {
    this.channels.deliverDue(this.ground.now, {
      onArrived: (snapshot) => this.onArrived(snapshot),
      onEnded: (snapshot) => this.onEnded(snapshot),
    });
  }

  /** Makes a random part of the state machine's applied entries durable. */
  flush(machine: SimMachine): void {
    const index = this.ground.random.between(machine.disk.stateMachine.index, machine.applied);
    if (index > machine.disk.stateMachine.index)
      machine.disk.stateMachine = this.ground.safety.positionOf(index as LogIndex);
  }

  /** Compacts a log in memory, and partly on disk; entries that the state machine may lose in a crash stay. */
  compact(): void {
    const { ground } = this;
    const { random } = ground;
    const machine = random.pick(ground.machines);
    if (machine.member === undefined || ground.isFrozen(machine)) return;
    this.flush(machine);
    const through = Math.max(0, machine.disk.stateMachine.index - random.between(0, 5)) as LogIndex;
    ground.note(`${machine.id} cuts its log up to ${through}`);
    machine.member.compact(through, random.pick([0, 0, 3]));
    machine.member.pump();
  }

  /** Sends a snapshot to `to`, which needs compacted entries of `machine`. */
  onNeeded(machine: SimMachine, to: MemberId): void {
    const { member } = machine;
    if (member === undefined || this.channels.isUnderWay(member, to)) return;
    if (this.ground.random.chance(0.8)) machine.disk.stateMachine = member.lastApplied; // the newest position possible
    this.channels.begin({ sender: member, to, position: machine.disk.stateMachine, now: this.ground.now });
  }

  /** Sends a snapshot that the receiver did not ask for or no longer needs: it may have the contents already, or be about to. */
  sendNeedless(): void {
    const { random, machines } = this.ground;
    const machine = random.pick(machines);
    const to = random.pick(machines).id;
    if (machine.id !== to && isLeader(machine) && machine.applied > 0) this.onNeeded(machine, to);
  }

  /** Has a member begin to install a snapshot. */
  install(machine: SimMachine, position: LogPosition): void {
    const { random, safety, now, electionTicks } = this.ground;
    safety.checkCommitted(position, `member ${machine.id} takes over a snapshot`);
    machine.installDoneAt = now + random.between(0, random.pick([1, electionTicks, 3 * electionTicks]));
  }

  finishInstall(machine: SimMachine, member: Member): void {
    const position = member.installing;
    assert.ok(
      position !== undefined && position.index > machine.applied,
      `member ${machine.id} goes back to a snapshot`,
    );
    machine.applied = position.index;
    this.ground.note(`${machine.id} holds the snapshot at ${describe(position)}`);
    this.installed++;
    member.finishInstall();
    if (!this.ground.isQuiet && this.ground.random.chance(0.1)) this.ground.crash(machine); // a crash before the log is restarted, or during that
  }

  private onArrived({ from, to, leaderTerm, position }: SnapshotInFlight): boolean {
    const machine = this.ground.machineOf(to);
    if (this.ground.isFrozen(machine)) return false;
    this.ground.note(`${from}→${to} a snapshot at ${describe(position)}`);
    this.ground.step(machine, { kind: "snapshotReceived", from, leaderTerm, position });
    return true;
  }

  private onEnded({ from, to, sender }: SnapshotInFlight): boolean {
    const machine = this.ground.machineOf(from);
    if (this.ground.isFrozen(machine)) return false;
    if (machine.member === sender) this.ground.step(machine, { kind: "snapshotEnded", peer: to });
    return true;
  }
}

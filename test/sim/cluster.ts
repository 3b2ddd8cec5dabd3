import { ClusterMembership } from "./cluster-membership.js";
import assert from "node:assert/strict";
import type { MemberId } from "../../raft/core/ids.js";
import type { Entry, Input, Notice, Outgoing } from "../../raft/core/types.js";
import { Clients } from "./clients.js";
import { ClusterFaults } from "./cluster-faults.js";
import { ClusterSnapshots } from "./cluster-snapshots.js";
import { Member, write } from "./member.js";
import { SimNetwork } from "./network.js";
import { type SeededRandom, toMemberId, votersOnly } from "../../testing/index.js";
import { Safety } from "./safety.js";
import { describe, createMachine, isLeader, type Ground, type SimMachine } from "./sim-machine.js";

/** Counts of a simulation's events. */
export interface Work {
  readonly acknowledged: number;
  /** Snapshots that replaced a log. */
  readonly installed: number;
  /** Transfers of leadership to the intended member. */
  readonly handedOver: number;
  /** Committed configurations, without the initial one. */
  readonly configured: number;
  /** Members that lost their disks and were rebuilt. */
  readonly rebuilt: number;
}

/** Number of the last events that a failure shows. */
const maxTraced = 40;

/** A whole cluster of cores in virtual time, with faults and clients, and with safety checked after every step. */
export class SimCluster implements Ground {
  readonly safety: Safety;
  readonly membership: ClusterMembership;
  readonly random: SeededRandom;
  readonly heartbeatTicks: number;
  readonly electionTicks: number;
  readonly machines: readonly SimMachine[];
  readonly network: SimNetwork;
  readonly clients: Clients;
  readonly faults: ClusterFaults;
  readonly snapshots: ClusterSnapshots;
  now = 0;
  isQuiet = false;
  /** Limit of the bytes in an append; in some clusters each entry is sent alone, so that old entries arrive long before new ones. */
  private readonly maxAppendBytes: number;
  private handedOver = 0;
  private readonly trace: string[] = [];

  constructor(options: {
    members: number;
    spares: number;
    random: SeededRandom;
    heartbeatTicks: number;
    electionTicks: number;
  }) {
    const { random } = options;
    this.random = random;
    this.heartbeatTicks = options.heartbeatTicks;
    this.electionTicks = options.electionTicks;
    this.network = new SimNetwork(random);
    this.clients = new Clients(this);
    this.faults = new ClusterFaults(this);
    this.snapshots = new ClusterSnapshots(this);
    this.maxAppendBytes = random.pick([1, 200]);
    const ids = Array.from({ length: options.members + options.spares }, (_, i) => BigInt(i + 1));
    const initial = votersOnly(...ids.slice(0, options.members));
    this.safety = new Safety(initial);
    this.membership = new ClusterMembership(this);
    this.machines = ids.map((id) => createMachine(toMemberId(id), initial, random.pick([0, 1, 3, 10])));
    for (const machine of this.machines) this.start(machine);
  }

  /** Runs `act`; its failure shows the events before it. */
  runChecked(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (error instanceof Error) error.message += `\nlast events:\n  ${this.trace.join("\n  ")}`;
      throw error;
    }
  }

  note(event: string): void {
    this.trace.push(`${this.now}: ${event}`);
    if (this.trace.length > maxTraced) this.trace.shift();
  }

  // Time.

  /** Ticks nearly all members, then delivers messages and ends writes that are due. */
  tick(): void {
    this.now++;
    for (const machine of this.machines) if (!this.random.chance(0.02)) this.tickMachine(machine);
    for (const packet of this.network.takeDue(this.now)) {
      const machine = this.machineOf(packet.to);
      if (this.isFrozen(machine)) this.network.hold(packet, this.now + 1);
      else this.step(machine, { kind: "receive", from: packet.from, message: packet.message });
    }
    this.snapshots.tick();
    for (const machine of this.machines) this.turnDisk(machine);
  }

  private tickMachine(machine: SimMachine): void {
    if (machine.member === undefined || this.isFrozen(machine)) return;
    machine.ticks++;
    this.step(machine, { kind: "tick" });
    // A transfer ends after an election timeout, with or without success, and proposals are accepted again. Raft thesis §3.10.
    const waited = machine.ticks - (machine.transferAskedAt ?? machine.ticks);
    assert.ok(waited < this.electionTicks, `member ${machine.id} transfers leadership endlessly`);
  }

  private turnDisk(machine: SimMachine): void {
    const { member } = machine;
    if (member === undefined || this.isFrozen(machine)) return;
    if (member.installing !== undefined && machine.installDoneAt <= this.now)
      this.snapshots.finishInstall(machine, member);
    if (machine.member?.writing !== undefined && machine.writeDoneAt <= this.now) member.finishWrite();
    this.look(machine);
  }

  isFrozen(machine: SimMachine): boolean {
    return machine.frozenUntil > this.now;
  }

  step(machine: SimMachine, input: Input): void {
    if (machine.member === undefined || this.isFrozen(machine)) return;
    if (input.kind === "receive") this.note(`${input.from}→${machine.id} ${describe(input.message)}`);
    // The driver's loop often handles several inputs in one turn.
    if (input.kind !== "tick" && this.random.chance(0.2)) machine.member.core.step(input);
    else machine.member.step(input);
    this.look(machine);
  }

  private look(machine: SimMachine): void {
    if (machine.member !== undefined) this.safety.onStatus(machine.member.core.status());
  }

  machineOf(id: MemberId): SimMachine {
    const machine = this.machines[Number(id) - 1];
    assert.ok(machine !== undefined);
    return machine;
  }

  // Members.

  start(machine: SimMachine): void {
    const { id, disk } = machine;
    this.note(`${id} starts: ${describe(disk)}`);
    machine.member = new Member({
      id,
      disk,
      random: this.random.next,
      heartbeatTicks: this.heartbeatTicks,
      electionTicks: this.electionTicks,
      limits: {
        maxAppendBytes: this.maxAppendBytes,
        maxInflightAppends: 4,
        maxCommittedBytes: 500,
        maxUncommittedBytes: 4_000,
      },
      send: (outgoing) => this.send(machine, outgoing),
      onWrite: (unsaved, log) => {
        machine.writeDoneAt = this.now + this.random.between(0, machine.maxDiskTicks);
        this.safety.onWrite(id, unsaved, log);
      },
      onApplied: (entry) => this.onApplied(machine, entry),
      configurationAt: ({ index }) => this.safety.configurationAt(index),
      onInstall: (position) => this.snapshots.install(machine, position),
      onNotice: (notice) => this.onNotice(machine, notice),
      onReadState: (read) => this.clients.onReadAnswered(machine, read),
      onRefusal: (refusal) => this.clients.refuse(machine, refusal),
    });
    machine.applied = machine.member.lastApplied.index;
    this.look(machine);
  }

  crash(machine: SimMachine): void {
    if (machine.member === undefined) return;
    const { writing, installing } = machine.member;
    const isKept = writing !== undefined && this.random.chance(0.3);
    this.note(`${machine.id} crashes${writing === undefined ? "" : isKept ? ", its write kept" : ", its write lost"}`);
    if (isKept) write(machine.disk, writing);
    this.snapshots.flush(machine);
    // The switch to the snapshot is one rename, which a crash leaves done or not done.
    if (installing !== undefined && this.random.chance(0.5)) machine.disk.stateMachine = installing;
    machine.member = undefined;
    machine.frozenUntil = 0;
    machine.transferAskedAt = undefined;
    this.clients.onCrash(machine);
    this.safety.onCrash(machine.id);
    if (this.random.chance(0.7))
      for (const other of this.machines) if (other !== machine) this.closeLink(machine, other);
  }

  private onNotice(machine: SimMachine, notice: Notice): void {
    this.note(`${machine.id} tells ${describe(notice)}`);
    switch (notice.kind) {
      case "snapshotNeeded":
        this.snapshots.onNeeded(machine, notice.peer);
        return;
      case "snapshotRefused":
        return;
      case "transferEnded":
        assert.ok(machine.transferAskedAt !== undefined, `member ${machine.id} ended a transfer that nobody asked for`);
        machine.transferAskedAt = undefined;
        if (notice.ok) this.handedOver++;
        return;
    }
  }

  private onApplied(machine: SimMachine, entry: Entry): void {
    assert.ok(machine.member !== undefined);
    this.safety.onApplied(machine.id, entry, machine.disk, machine.member.core.status().term);
    assert.equal(entry.index, machine.applied + 1, `member ${machine.id} skipped or repeated an entry`);
    machine.applied = entry.index;
    this.clients.onApplied(machine, entry);
  }

  private send(machine: SimMachine, outgoing: Outgoing): void {
    this.safety.onSend(machine.id, outgoing, machine.disk);
    this.network.send({ from: machine.id, to: outgoing.to, message: outgoing.message, now: this.now });
  }

  closeLink(a: SimMachine, b: SimMachine): void {
    this.note(`link ${a.id}–${b.id} closes`);
    this.network.drop(a.id, b.id);
    this.step(a, { kind: "linkClosed", peer: b.id });
    this.step(b, { kind: "linkClosed", peer: a.id });
  }

  openLink(a: SimMachine, b: SimMachine): void {
    this.note(`link ${a.id}–${b.id} opens`);
    this.step(a, { kind: "linkOpened", peer: b.id });
    this.step(b, { kind: "linkOpened", peer: a.id });
  }

  // The end.

  /** Ends all faults. */
  healAll(): void {
    this.note("all faults end");
    this.isQuiet = true;
    this.faults.healAll();
  }

  /** Runs until a new write is applied on all members, and no read is unanswered. */
  runUntilAllApplied({ maxTicks }: { maxTicks: number }): void {
    const { clients } = this;
    const until = this.now + maxTicks;
    const before = clients.last;
    const isDone = (): boolean =>
      clients.last > before &&
      this.membersNow().every((machine) => machine.applied >= clients.last && clients.countUnanswered(machine) === 0);
    for (let tick = 0; !isDone(); tick++) {
      assert.ok(this.now < until, `no progress within ${maxTicks} ticks of quiet: ${this.describe()}`);
      // The proposals of a deposed leader may be lost, so the write is repeated now and then.
      const leader = this.machines.find(isLeader);
      if (tick % this.electionTicks === 0 || this.random.chance(0.05))
        if (leader !== undefined) clients.propose(leader);
      this.tick();
    }
    clients.checkAtTheEnd();
  }

  /** Returns the machines of the members as of the last applied entry: others do not receive the log. */
  private membersNow(): readonly SimMachine[] {
    const ids = new Set(this.safety.newestConfiguration.members.map(({ id }) => id));
    return this.machines.filter(({ id }) => ids.has(id));
  }

  /** Returns the counts; a simulation in which nothing happens proves nothing. */
  get work(): Work {
    return {
      acknowledged: this.clients.count,
      installed: this.snapshots.installed,
      handedOver: this.handedOver,
      configured: this.safety.configured,
      rebuilt: this.faults.rebuilt,
    };
  }

  private describe(): string {
    const show = (machine: SimMachine): string => {
      const status = machine.member?.core.status();
      return status === undefined
        ? `${machine.id} down`
        : `${machine.id} ${status.role} term=${status.term} last=${status.lastIndex} commit=${status.commit} reads=${this.clients.countUnanswered(machine)}`;
    };
    return this.machines.map(show).join(", ");
  }
}

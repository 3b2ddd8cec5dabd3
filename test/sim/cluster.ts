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
import { describe, createSeat, isLeader, type Ground, type Seat } from "./seat.js";

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
  readonly seats: readonly Seat[];
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
    this.seats = ids.map((id) => createSeat(toMemberId(id), initial, random.pick([0, 1, 3, 10])));
    for (const seat of this.seats) this.start(seat);
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
    for (const seat of this.seats) if (!this.random.chance(0.02)) this.tickSeat(seat);
    for (const parcel of this.network.takeDue(this.now)) {
      const seat = this.seatOf(parcel.to);
      if (this.isFrozen(seat)) this.network.hold(parcel, this.now + 1);
      else this.step(seat, { kind: "receive", from: parcel.from, message: parcel.message });
    }
    this.snapshots.tick();
    for (const seat of this.seats) this.turnDisk(seat);
  }

  private tickSeat(seat: Seat): void {
    if (seat.member === undefined || this.isFrozen(seat)) return;
    seat.ticks++;
    this.step(seat, { kind: "tick" });
    // A transfer ends after an election timeout, with or without success, and proposals are accepted again. Raft thesis §3.10.
    const waited = seat.ticks - (seat.transferAskedAt ?? seat.ticks);
    assert.ok(waited < this.electionTicks, `member ${seat.id} transfers leadership endlessly`);
  }

  private turnDisk(seat: Seat): void {
    const { member } = seat;
    if (member === undefined || this.isFrozen(seat)) return;
    if (member.installing !== undefined && seat.installDoneAt <= this.now) this.snapshots.finishInstall(seat, member);
    if (seat.member?.writing !== undefined && seat.writeDoneAt <= this.now) member.finishWrite();
    this.look(seat);
  }

  isFrozen(seat: Seat): boolean {
    return seat.frozenUntil > this.now;
  }

  step(seat: Seat, input: Input): void {
    if (seat.member === undefined || this.isFrozen(seat)) return;
    if (input.kind === "receive") this.note(`${input.from}→${seat.id} ${describe(input.message)}`);
    // The driver's loop often handles several inputs in one turn.
    if (input.kind !== "tick" && this.random.chance(0.2)) seat.member.core.step(input);
    else seat.member.step(input);
    this.look(seat);
  }

  private look(seat: Seat): void {
    if (seat.member !== undefined) this.safety.onStatus(seat.member.core.status());
  }

  seatOf(id: MemberId): Seat {
    const seat = this.seats[Number(id) - 1];
    assert.ok(seat !== undefined);
    return seat;
  }

  // Members.

  start(seat: Seat): void {
    const { id, disk } = seat;
    this.note(`${id} starts: ${describe(disk)}`);
    seat.member = new Member({
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
      send: (outgoing) => this.send(seat, outgoing),
      onWrite: (unsaved, log) => {
        seat.writeDoneAt = this.now + this.random.between(0, seat.maxDiskTicks);
        this.safety.onWrite(id, unsaved, log);
      },
      onApplied: (entry) => this.onApplied(seat, entry),
      configurationAt: ({ index }) => this.safety.configurationAt(index),
      onInstall: (position) => this.snapshots.install(seat, position),
      onNotice: (notice) => this.onNotice(seat, notice),
      onReadState: (read) => this.clients.onReadAnswered(seat, read),
      onRefusal: (refusal) => this.clients.refuse(seat, refusal),
    });
    seat.applied = seat.member.lastApplied.index;
    this.look(seat);
  }

  crash(seat: Seat): void {
    if (seat.member === undefined) return;
    const { writing, installing } = seat.member;
    const isKept = writing !== undefined && this.random.chance(0.3);
    this.note(`${seat.id} crashes${writing === undefined ? "" : isKept ? ", its write kept" : ", its write lost"}`);
    if (isKept) write(seat.disk, writing);
    this.snapshots.flush(seat);
    // The switch to the snapshot is one rename, which a crash leaves done or not done.
    if (installing !== undefined && this.random.chance(0.5)) seat.disk.machine = installing;
    seat.member = undefined;
    seat.frozenUntil = 0;
    seat.transferAskedAt = undefined;
    this.clients.onCrash(seat);
    this.safety.onCrash(seat.id);
    if (this.random.chance(0.7)) for (const other of this.seats) if (other !== seat) this.closeLink(seat, other);
  }

  private onNotice(seat: Seat, notice: Notice): void {
    this.note(`${seat.id} tells ${describe(notice)}`);
    switch (notice.kind) {
      case "snapshotNeeded":
        this.snapshots.onNeeded(seat, notice.peer);
        return;
      case "snapshotRefused":
        return;
      case "transferEnded":
        assert.ok(seat.transferAskedAt !== undefined, `member ${seat.id} ended a transfer that nobody asked for`);
        seat.transferAskedAt = undefined;
        if (notice.ok) this.handedOver++;
        return;
    }
  }

  private onApplied(seat: Seat, entry: Entry): void {
    assert.ok(seat.member !== undefined);
    this.safety.onApplied(seat.id, entry, seat.disk, seat.member.core.status().term);
    assert.equal(entry.index, seat.applied + 1, `member ${seat.id} skipped or repeated an entry`);
    seat.applied = entry.index;
    this.clients.onApplied(seat, entry);
  }

  private send(seat: Seat, outgoing: Outgoing): void {
    this.safety.onSend(seat.id, outgoing, seat.disk);
    this.network.send({ from: seat.id, to: outgoing.to, message: outgoing.message, now: this.now });
  }

  closeLink(a: Seat, b: Seat): void {
    this.note(`link ${a.id}–${b.id} closes`);
    this.network.drop(a.id, b.id);
    this.step(a, { kind: "linkClosed", peer: b.id });
    this.step(b, { kind: "linkClosed", peer: a.id });
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
      this.membersNow().every((seat) => seat.applied >= clients.last && clients.countUnanswered(seat) === 0);
    for (let tick = 0; !isDone(); tick++) {
      assert.ok(this.now < until, `no progress within ${maxTicks} ticks of quiet: ${this.describe()}`);
      // The proposals of a deposed leader may be lost, so the write is repeated now and then.
      const leader = this.seats.find(isLeader);
      if (tick % this.electionTicks === 0 || this.random.chance(0.05))
        if (leader !== undefined) clients.propose(leader);
      this.tick();
    }
    clients.checkAtTheEnd();
  }

  /** Returns the seats of the members as of the last applied entry: others do not receive the log. */
  private membersNow(): readonly Seat[] {
    const ids = new Set(this.safety.newestConfiguration.members.map(({ id }) => id));
    return this.seats.filter(({ id }) => ids.has(id));
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
    const show = (seat: Seat): string => {
      const status = seat.member?.core.status();
      return status === undefined
        ? `${seat.id} down`
        : `${seat.id} ${status.role} term=${status.term} last=${status.lastIndex} commit=${status.commit} reads=${this.clients.countUnanswered(seat)}`;
    };
    return this.seats.map(show).join(", ");
  }
}

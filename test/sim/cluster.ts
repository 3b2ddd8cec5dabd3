import assert from "node:assert/strict";
import type {
  Entry,
  Input,
  LogIndex,
  LogPosition,
  MemberId,
  Notice,
  Outgoing,
  ReadState,
  Refusal,
} from "../../raft/core/types.js";
import { emptyDisk, Member, write, type Disk } from "./member.js";
import { fairWeather, SimNetwork } from "./network.js";
import type { SeededRandom } from "./random.js";
import { Safety } from "./safety.js";
import { SnapshotStreams, type Stream } from "./streams.js";

/** One place for a member: its disk stays when the member crashes. */
interface Seat {
  readonly id: MemberId;
  readonly disk: Disk;
  member: Member | undefined;
  /** What the state machine holds now; on disk it may lag behind. */
  applied: LogIndex;
  frozenUntil: number;
  writeDoneAt: number;
  installDoneAt: number;
  /** This member's own ticks, and when it was asked to hand leadership over. */
  ticks: number;
  transferAskedAt: number | undefined;
  maxDiskTicks: number;
  /** Reads asked here and not answered: the least index their answer may have. */
  readonly reads: Map<number, LogIndex>;
  /** Proposals made here that may still be acknowledged. */
  readonly proposals: Set<number>;
}

/** What a simulation did. */
export interface Work {
  readonly acknowledged: number;
  /** Snapshots that took the place of a log. */
  readonly installed: number;
  /** Times that leadership went where it was meant to. */
  readonly handedOver: number;
}

/** How many of the last events a failure shows. */
const maxTraced = 40;

/** A whole cluster in virtual time: faults, clients, and an eye on safety after every step. */
export class SimCluster {
  readonly safety = new Safety();
  readonly electionTicks: number;
  private readonly heartbeatTicks: number;
  /** In some clusters every entry travels alone, so that old ones arrive long before new ones. */
  private readonly maxAppendBytes: number;
  private readonly random: SeededRandom;
  private readonly seats: readonly Seat[];
  private readonly network: SimNetwork;
  private readonly streams: SnapshotStreams;
  private now = 0;
  private nextNumber = 1;
  /** Proposals whose proposer applied them: the promise to a client, and where it must stay. */
  private readonly acknowledged = new Map<number, LogIndex>();
  private lastAcknowledged = 0 as LogIndex;
  private installed = 0;
  private handedOver = 0;
  private isQuiet = false;
  /** Proposals that were refused: nobody may ever see them. */
  private readonly refused = new Set<number>();
  private readonly trace: string[] = [];

  constructor(options: { members: number; random: SeededRandom; heartbeatTicks: number; electionTicks: number }) {
    this.random = options.random;
    this.heartbeatTicks = options.heartbeatTicks;
    this.electionTicks = options.electionTicks;
    this.network = new SimNetwork(options.random);
    this.streams = new SnapshotStreams(options.random, 2 * options.electionTicks);
    this.maxAppendBytes = options.random.pick([1, 200]);
    this.seats = Array.from({ length: options.members }, (_, i) => ({
      id: BigInt(i + 1),
      disk: emptyDisk(),
      member: undefined,
      applied: 0 as LogIndex,
      frozenUntil: 0,
      writeDoneAt: 0,
      installDoneAt: 0,
      ticks: 0,
      transferAskedAt: undefined,
      maxDiskTicks: options.random.pick([0, 1, 3, 10]),
      reads: new Map(),
      proposals: new Set(),
    }));
    for (const seat of this.seats) this.start(seat);
  }

  /** Runs `act`; a failure tells what led to it. */
  watched(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (error instanceof Error) error.message += `\nlast events:\n  ${this.trace.join("\n  ")}`;
      throw error;
    }
  }

  private note(event: string): void {
    this.trace.push(`${this.now}: ${event}`);
    if (this.trace.length > maxTraced) this.trace.shift();
  }

  // Time.

  /** One tick for everybody, in random order, then what arrives and what the disks have finished. */
  tick(): void {
    this.now++;
    for (const seat of this.seats) if (!this.random.chance(0.02)) this.tickSeat(seat);
    for (const parcel of this.network.takeDue(this.now)) {
      const seat = this.seatOf(parcel.to);
      if (this.isFrozen(seat)) this.network.hold(parcel, this.now + 1);
      else this.step(seat, { kind: "receive", from: parcel.from, message: parcel.message });
    }
    this.streams.move(this.now, {
      arrived: (stream) => this.onStreamArrived(stream),
      ended: (stream) => this.onStreamEnded(stream),
    });
    for (const seat of this.seats) this.turnDisk(seat);
  }

  private tickSeat(seat: Seat): void {
    if (seat.member === undefined || this.isFrozen(seat)) return;
    seat.ticks++;
    this.step(seat, { kind: "tick" });
    // However it goes, proposals are taken again after an election timeout. Raft thesis §3.10.
    const waited = seat.ticks - (seat.transferAskedAt ?? seat.ticks);
    assert.ok(waited < this.electionTicks, `member ${seat.id} hands leadership over without end`);
  }

  private turnDisk(seat: Seat): void {
    const { member } = seat;
    if (member === undefined || this.isFrozen(seat)) return;
    if (member.installing !== undefined && seat.installDoneAt <= this.now) this.finishInstall(seat, member);
    if (seat.member?.writing !== undefined && seat.writeDoneAt <= this.now) member.finishWrite();
    this.afterStep(seat);
  }

  private isFrozen(seat: Seat): boolean {
    return seat.frozenUntil > this.now;
  }

  private step(seat: Seat, input: Input): void {
    if (seat.member === undefined || this.isFrozen(seat)) return;
    if (input.kind === "receive") this.note(`${input.from}→${seat.id} ${describe(input.message)}`);
    // Often several things happen in one turn of a driver's loop.
    if (input.kind !== "tick" && this.random.chance(0.2)) seat.member.core.step(input);
    else seat.member.step(input);
    this.afterStep(seat);
  }

  private afterStep(seat: Seat): void {
    if (seat.member !== undefined) this.safety.onStatus(seat.member.core.status());
  }

  private seatOf(id: MemberId): Seat {
    const seat = this.seats[Number(id) - 1];
    assert.ok(seat !== undefined);
    return seat;
  }

  // Members.

  private start(seat: Seat): void {
    const { id, disk } = seat;
    this.note(`${id} starts: ${describe(disk)}`);
    seat.member = new Member({
      id,
      voters: this.seats.map((other) => other.id),
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
      onInstall: (position) => this.onInstall(seat, position),
      onNotice: (notice) => this.onNotice(seat, notice),
      onReadState: (read) => this.onReadState(seat, read),
      onRefusal: (refusal) => this.onRefusal(seat, refusal),
    });
    seat.applied = seat.member.lastApplied.index;
    this.afterStep(seat);
  }

  private crash(seat: Seat): void {
    if (seat.member === undefined) return;
    const { writing, installing } = seat.member;
    const isKept = writing !== undefined && this.random.chance(0.3);
    this.note(`${seat.id} crashes${writing === undefined ? "" : isKept ? ", its write kept" : ", its write lost"}`);
    if (isKept) write(seat.disk, writing);
    this.flush(seat);
    // The switch to the snapshot is one rename: it is there or it is not.
    if (installing !== undefined && this.random.chance(0.5)) seat.disk.machine = installing;
    seat.member = undefined;
    seat.frozenUntil = 0;
    seat.transferAskedAt = undefined;
    seat.reads.clear();
    seat.proposals.clear();
    this.safety.onCrash(seat.id);
    if (this.random.chance(0.7)) for (const other of this.seats) if (other !== seat) this.closeLink(seat, other);
  }

  /** The state machine's disk catches up with it, more or less. */
  private flush(seat: Seat): void {
    const index = this.random.between(seat.disk.machine.index, seat.applied);
    if (index > seat.disk.machine.index) seat.disk.machine = this.safety.positionOf(index as LogIndex);
  }

  // Snapshots.

  /** Cuts the log, in memory and some of it on disk; what the state machine may lose in a crash stays. */
  compact(): void {
    const seat = this.random.pick(this.seats);
    if (seat.member === undefined || this.isFrozen(seat)) return;
    this.flush(seat);
    const through = Math.max(0, seat.disk.machine.index - this.random.between(0, 5)) as LogIndex;
    this.note(`${seat.id} cuts its log up to ${through}`);
    seat.member.compact(through, this.random.pick([0, 0, 3]));
    seat.member.pump();
    this.afterStep(seat);
  }

  private onNotice(seat: Seat, notice: Notice): void {
    this.note(`${seat.id} tells ${describe(notice)}`);
    switch (notice.kind) {
      case "snapshotNeeded":
        this.beginStream(seat, notice.peer);
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

  private beginStream(seat: Seat, to: MemberId): void {
    const { member } = seat;
    if (member === undefined || this.streams.isUnderWay(member, to)) return;
    if (this.random.chance(0.8)) seat.disk.machine = member.lastApplied; // the newest that there is
    this.streams.begin({ sender: member, to, position: seat.disk.machine, now: this.now });
  }

  /** A snapshot that nobody asked for, or needs no more: what it brings the receiver may hold, or be about to. */
  sendNeedlessSnapshot(): void {
    const seat = this.random.pick(this.seats);
    const to = this.random.pick(this.seats).id;
    if (seat.id !== to && seat.member?.core.status().role === "leader" && seat.applied > 0) this.beginStream(seat, to);
  }

  private onStreamArrived({ from, to, leaderTerm, position }: Stream): boolean {
    const seat = this.seatOf(to);
    if (this.isFrozen(seat)) return false;
    this.note(`${from}→${to} a snapshot at ${describe(position)}`);
    this.step(seat, { kind: "snapshotReceived", from, leaderTerm, position });
    return true;
  }

  private onStreamEnded({ from, to, sender }: Stream): boolean {
    const seat = this.seatOf(from);
    if (this.isFrozen(seat)) return false;
    if (seat.member === sender) this.step(seat, { kind: "snapshotEnded", peer: to });
    return true;
  }

  private onInstall(seat: Seat, position: LogPosition): void {
    this.safety.checkCommitted(position, `member ${seat.id} takes over a snapshot`);
    seat.installDoneAt =
      this.now + this.random.between(0, this.random.pick([1, this.electionTicks, 3 * this.electionTicks]));
  }

  private finishInstall(seat: Seat, member: Member): void {
    const position = member.installing;
    assert.ok(position !== undefined && position.index > seat.applied, `member ${seat.id} goes back to a snapshot`);
    seat.applied = position.index;
    this.note(`${seat.id} holds the snapshot at ${describe(position)}`);
    this.installed++;
    member.finishInstall();
    if (!this.isQuiet && this.random.chance(0.1)) this.crash(seat); // before its log begins anew, or while it does
  }

  private send(seat: Seat, outgoing: Outgoing): void {
    this.safety.onSend(seat.id, outgoing, seat.disk);
    this.network.send({ from: seat.id, to: outgoing.to, message: outgoing.message, now: this.now });
  }

  private closeLink(a: Seat, b: Seat): void {
    this.note(`link ${a.id}–${b.id} closes`);
    this.network.drop(a.id, b.id);
    this.step(a, { kind: "linkClosed", peer: b.id });
    this.step(b, { kind: "linkClosed", peer: a.id });
  }

  // Clients.

  /** Those that believe so; more than one while an old one has not noticed. */
  private leaders(): readonly Seat[] {
    return this.seats.filter(({ member }) => member?.core.status().role === "leader");
  }

  /** Any seat, but often one that leads: that is where it hurts. */
  private pickSeat(): Seat {
    const leaders = this.leaders();
    return this.random.pick(leaders.length > 0 && this.random.chance(0.5) ? leaders : this.seats);
  }

  /** Somebody, somewhere, writes or reads. */
  act(): void {
    const seat = this.pickSeat();
    if (seat.member === undefined || this.isFrozen(seat)) return;
    if (this.random.chance(0.02)) this.transfer(seat);
    else if (this.random.chance(0.6)) this.propose(seat);
    else this.read(seat);
  }

  /** To somebody, itself, or whoever is best. */
  private transfer(seat: Seat): void {
    const to = this.random.chance(0.5) ? undefined : this.random.pick(this.seats).id;
    this.note(`${seat.id} is to hand leadership over to ${to ?? "whoever is best"}`);
    seat.transferAskedAt ??= seat.ticks;
    this.step(seat, { kind: "transferLeadership", to });
  }

  private propose(seat: Seat): number {
    const proposal = this.nextNumber++;
    seat.proposals.add(proposal);
    this.step(seat, { kind: "propose", proposal, data: new TextEncoder().encode(String(proposal)) });
    return proposal;
  }

  private read(seat: Seat): void {
    const request = this.nextNumber++;
    seat.reads.set(request, this.lastAcknowledged);
    this.step(seat, { kind: "readIndex", request });
  }

  private onApplied(seat: Seat, entry: Entry): void {
    assert.ok(seat.member !== undefined);
    const { term } = seat.member.core.status();
    this.safety.onApplied(seat.id, entry, seat.disk, term);
    assert.equal(entry.index, seat.applied + 1, `member ${seat.id} skipped or repeated an entry`);
    seat.applied = entry.index;
    if (entry.data.length === 0) return;
    const proposal = Number(new TextDecoder().decode(entry.data));
    assert.ok(!this.refused.has(proposal), `proposal ${proposal} was refused, and applied`);
    if (!seat.proposals.delete(proposal)) return;
    this.acknowledged.set(proposal, entry.index);
    if (entry.index > this.lastAcknowledged) this.lastAcknowledged = entry.index;
  }

  /** A read sees everything that was acknowledged when it began. Raft thesis §6.4. */
  private onReadState(seat: Seat, { request, index }: ReadState): void {
    const least = seat.reads.get(request);
    assert.ok(least !== undefined, `read ${request} of member ${seat.id} was answered twice, or never asked`);
    assert.ok(index >= least, `stale read at member ${seat.id}: index ${index}, acknowledged ${least}`);
    seat.reads.delete(request);
  }

  private onRefusal(seat: Seat, { what, number }: Refusal): void {
    if (what === "read") assert.ok(seat.reads.delete(number), `read ${number} was refused twice, or never asked`);
    else {
      this.refused.add(number);
      seat.proposals.delete(number);
    }
  }

  // Faults.

  injectFault(): void {
    const seat = this.pickSeat();
    const other = this.random.pick(this.seats.filter((candidate) => candidate !== seat));
    const fault = this.random.pick(faults);
    this.note(`fault: ${fault} at ${seat.id}`);
    switch (fault) {
      case "crash":
        this.crash(seat);
        return;
      case "restart":
        for (const down of this.seats) if (down.member === undefined) this.start(down);
        return;
      case "freeze":
        seat.frozenUntil = this.now + this.random.between(1, 3 * this.electionTicks);
        return;
      case "slowDisk":
        seat.maxDiskTicks = this.random.pick([0, 1, this.heartbeatTicks, this.electionTicks]);
        return;
      case "closeLink":
        this.closeLink(seat, other);
        return;
      case "cutLink":
        this.network.cut(seat.id, other.id);
        if (this.random.chance(0.5)) this.network.cut(other.id, seat.id);
        if (this.random.chance(0.5)) this.closeLink(seat, other);
        return;
      case "isolate":
        this.isolate(seat);
        return;
      case "split":
        this.split();
        return;
      case "heal":
        this.network.healAll();
        return;
      case "weather":
        this.network.weather = {
          loss: this.random.pick([0, 0, 0.05, 0.3]),
          repeat: this.random.pick([0, 0.1]),
          maxDelayTicks: this.random.pick([0, 1, this.heartbeatTicks, this.electionTicks]),
        };
        return;
    }
  }

  private isolate(seat: Seat): void {
    const isNoticed = this.random.chance(0.5);
    for (const peer of this.seats) {
      if (peer === seat) continue;
      this.cutBothWays(seat.id, peer.id);
      if (isNoticed) this.closeLink(seat, peer);
    }
  }

  private split(): void {
    const left = this.seats.filter(() => this.random.chance(0.5));
    for (const a of left) for (const b of this.seats) if (!left.includes(b)) this.cutBothWays(a.id, b.id);
  }

  private cutBothWays(a: MemberId, b: MemberId): void {
    this.network.cut(a, b);
    this.network.cut(b, a);
  }

  /** Everything works again, from here on. */
  healAll(): void {
    this.note("all faults end");
    this.isQuiet = true;
    this.network.healAll();
    this.network.weather = fairWeather;
    for (const seat of this.seats) {
      seat.frozenUntil = 0;
      seat.maxDiskTicks = 0;
      seat.writeDoneAt = this.now;
      if (seat.member === undefined) this.start(seat);
    }
  }

  /** A new write is applied everywhere, and no read is left unanswered. */
  runUntilAllApplied({ maxTicks }: { maxTicks: number }): void {
    const until = this.now + maxTicks;
    const before = this.lastAcknowledged;
    const isDone = (): boolean =>
      this.lastAcknowledged > before &&
      this.seats.every((seat) => seat.applied >= this.lastAcknowledged && seat.reads.size === 0);
    for (let tick = 0; !isDone(); tick++) {
      assert.ok(this.now < until, `no progress within ${maxTicks} ticks of quiet: ${this.describe()}`);
      // What the leader of a lost term took is lost with it, so ask now and then.
      const leader = this.leaders()[0];
      if (tick % this.electionTicks === 0 || this.random.chance(0.05)) if (leader !== undefined) this.propose(leader);
      this.tick();
    }
    for (const [proposal, index] of this.acknowledged) {
      const data = this.safety.applied[index - 1]?.data;
      assert.equal(new TextDecoder().decode(data), String(proposal), `acknowledged proposal ${proposal} is lost`);
    }
  }

  /** How much was done; a simulation in which nothing happens proves nothing. */
  get work(): Work {
    return { acknowledged: this.acknowledged.size, installed: this.installed, handedOver: this.handedOver };
  }

  private describe(): string {
    const show = (seat: Seat): string => {
      const status = seat.member?.core.status();
      return status === undefined
        ? `${seat.id} down`
        : `${seat.id} ${status.role} term=${status.term} last=${status.lastIndex} commit=${status.commit} reads=${seat.reads.size}`;
    };
    return this.seats.map(show).join(", ");
  }
}

const faults = [
  "crash",
  "restart",
  "restart",
  "freeze",
  "slowDisk",
  "closeLink",
  "cutLink",
  "isolate",
  "split",
  "heal",
  "heal",
  "weather",
] as const;

const describe = (message: object): string =>
  JSON.stringify(message, (key, value: unknown) => {
    if (key === "entries") return (value as Entry[]).map(({ index, term }) => `${index}/${term}`).join(" ");
    if (key === "data") return "…";
    return typeof value === "bigint" ? String(value) : value;
  });

import type { MemberId } from "../../raft/core/ids.js";
import { rebuildFrom, type Survivor } from "../../raft/core/rebuild.js";
import { endAfterMending } from "./member.js";
import { noNetworkFaults } from "./network.js";
import { pickSeat, type Ground, type Seat } from "./seat.js";

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
  "linkConditions",
] as const;

/** Faults of a cluster of cores. */
export class ClusterFaults {
  /** Number of members that lost their disks and were rebuilt. */
  rebuilt = 0;

  constructor(private readonly ground: Ground) {}

  inject(): void {
    const { ground } = this;
    const { random, seats, network } = ground;
    const seat = pickSeat(ground);
    const other = random.pick(seats.filter((candidate) => candidate !== seat));
    const fault = random.pick(faults);
    ground.note(`fault: ${fault} at ${seat.id}`);
    switch (fault) {
      case "crash":
        ground.crash(seat);
        return;
      case "restart":
        for (const down of seats) if (down.member === undefined) ground.start(down);
        return;
      case "freeze":
        seat.frozenUntil = ground.now + random.between(1, 3 * ground.electionTicks);
        return;
      case "slowDisk":
        seat.maxDiskTicks = random.pick([0, 1, ground.heartbeatTicks, ground.electionTicks]);
        return;
      case "closeLink":
        ground.closeLink(seat, other);
        return;
      case "cutLink":
        network.cut(seat.id, other.id);
        if (random.chance(0.5)) network.cut(other.id, seat.id);
        if (random.chance(0.5)) ground.closeLink(seat, other);
        return;
      case "isolate":
        this.isolate(seat);
        return;
      case "split":
        this.split();
        return;
      case "heal":
        network.healAll();
        return;
      case "linkConditions":
        network.conditions = {
          loss: random.pick([0, 0, 0.05, 0.3]),
          repeat: random.pick([0, 0.1]),
          maxDelayTicks: random.pick([0, 1, ground.heartbeatTicks, ground.electionTicks]),
        };
        return;
    }
  }

  /** Stops all members, erases one disk, rebuilds that from the others, and starts all again. */
  rebuild(): void {
    const { ground } = this;
    const { seats, network } = ground;
    const lost = pickSeat(ground);
    ground.note(`fault: ${lost.id} loses its disk`);
    for (const seat of seats) ground.crash(seat);
    for (const a of seats) for (const b of seats) network.drop(a.id, b.id);
    const survivors = seats
      .filter((seat) => seat !== lost)
      .map(({ disk }): Survivor & Pick<Seat, "disk"> => ({
        disk,
        hardState: disk.hardState,
        last: endAfterMending(disk),
      }));
    const { source, hardState } = rebuildFrom(survivors);
    const { base, entries, machine } = source.disk;
    Object.assign(lost.disk, { hardState, base, entries: [...entries], machine });
    this.rebuilt++;
    for (const seat of seats) ground.start(seat);
  }

  /** Ends all faults. */
  healAll(): void {
    const { network, seats, now } = this.ground;
    network.healAll();
    network.conditions = noNetworkFaults;
    for (const seat of seats) {
      seat.frozenUntil = 0;
      seat.maxDiskTicks = 0;
      seat.writeDoneAt = now;
      if (seat.member === undefined) this.ground.start(seat);
    }
  }

  private isolate(seat: Seat): void {
    const isNoticed = this.ground.random.chance(0.5);
    for (const peer of this.ground.seats) {
      if (peer === seat) continue;
      this.cutBothWays(seat.id, peer.id);
      if (isNoticed) this.ground.closeLink(seat, peer);
    }
  }

  private split(): void {
    const { seats, random } = this.ground;
    const left = seats.filter(() => random.chance(0.5));
    for (const a of left) for (const b of seats) if (!left.includes(b)) this.cutBothWays(a.id, b.id);
  }

  private cutBothWays(a: MemberId, b: MemberId): void {
    this.ground.network.cut(a, b);
    this.ground.network.cut(b, a);
  }
}

import type { MemberId } from "../../raft/core/ids.js";
import { rebuildFrom, type Survivor } from "../../raft/core/rebuild.js";
import { endAfterMending } from "./member.js";
import { noNetworkFaults } from "./network.js";
import { pickMachine, type Ground, type SimMachine } from "./sim-machine.js";

const faults = [
  "crash",
  "restart",
  "restart",
  "freeze",
  "slowDisk",
  "closeLink",
  "openLink",
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
    const { random, machines, network } = ground;
    const machine = pickMachine(ground);
    const other = random.pick(machines.filter((candidate) => candidate !== machine));
    const fault = random.pick(faults);
    ground.note(`fault: ${fault} at ${machine.id}`);
    switch (fault) {
      case "crash":
        ground.crash(machine);
        return;
      case "restart":
        for (const down of machines) if (down.member === undefined) ground.start(down);
        return;
      case "freeze":
        machine.frozenUntil = ground.now + random.between(1, 3 * ground.electionTicks);
        return;
      case "slowDisk":
        machine.maxDiskTicks = random.pick([0, 1, ground.heartbeatTicks, ground.electionTicks]);
        return;
      case "closeLink":
        ground.closeLink(machine, other);
        return;
      case "openLink":
        ground.openLink(machine, other);
        return;
      case "cutLink":
        network.cut(machine.id, other.id);
        if (random.chance(0.5)) network.cut(other.id, machine.id);
        if (random.chance(0.5)) ground.closeLink(machine, other);
        return;
      case "isolate":
        this.isolate(machine);
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
    const { machines, network } = ground;
    const lost = pickMachine(ground);
    ground.note(`fault: ${lost.id} loses its disk`);
    for (const machine of machines) ground.crash(machine);
    for (const a of machines) for (const b of machines) network.drop(a.id, b.id);
    const survivors = machines
      .filter((machine) => machine !== lost)
      .map(({ disk }): Survivor & Pick<SimMachine, "disk"> => ({
        disk,
        hardState: disk.hardState,
        last: endAfterMending(disk),
      }));
    const { source, hardState } = rebuildFrom(survivors);
    const { base, entries, stateMachine } = source.disk;
    Object.assign(lost.disk, { hardState, base, entries: [...entries], stateMachine });
    this.rebuilt++;
    for (const machine of machines) ground.start(machine);
  }

  /** Ends all faults. */
  healAll(): void {
    const { network, machines, now } = this.ground;
    network.healAll();
    network.conditions = noNetworkFaults;
    for (const machine of machines) {
      machine.frozenUntil = 0;
      machine.maxDiskTicks = 0;
      machine.writeDoneAt = now;
      if (machine.member === undefined) this.ground.start(machine);
    }
  }

  private isolate(machine: SimMachine): void {
    const isNoticed = this.ground.random.chance(0.5);
    for (const peer of this.ground.machines) {
      if (peer === machine) continue;
      this.cutBothWays(machine.id, peer.id);
      if (isNoticed) this.ground.closeLink(machine, peer);
    }
  }

  private split(): void {
    const { machines, random } = this.ground;
    const left = machines.filter(() => random.chance(0.5));
    for (const a of left) for (const b of machines) if (!left.includes(b)) this.cutBothWays(a.id, b.id);
  }

  private cutBothWays(a: MemberId, b: MemberId): void {
    this.ground.network.cut(a, b);
    this.ground.network.cut(b, a);
  }
}

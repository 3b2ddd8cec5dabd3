import type { Configuration } from "../../raft/core/configuration.js";
import type { LogIndex, MemberId } from "../../raft/core/ids.js";
import type { Entry, Input } from "../../raft/core/types.js";
import { createDisk, type Disk, type Member } from "./member.js";
import type { SimNetwork } from "./network.js";
import type { SeededRandom } from "../../testing/index.js";
import type { Safety } from "./safety.js";

/** The machine of one member: its disk and counters remain when the member crashes. */
export interface SimMachine {
  readonly id: MemberId;
  readonly disk: Disk;
  member: Member | undefined;
  /** The last entry that the state machine has applied in memory; its disk may lag behind. */
  applied: LogIndex;
  frozenUntil: number;
  writeDoneAt: number;
  installDoneAt: number;
  /** The member's own ticks, and the tick at which it was asked to transfer leadership. */
  ticks: number;
  transferAskedAt: number | undefined;
  maxDiskTicks: number;
}

export const createMachine = (id: MemberId, initial: Configuration, maxDiskTicks: number): SimMachine => ({
  id,
  disk: createDisk(initial),
  member: undefined,
  applied: 0 as LogIndex,
  frozenUntil: 0,
  writeDoneAt: 0,
  installDoneAt: 0,
  ticks: 0,
  transferAskedAt: undefined,
  maxDiskTicks,
});

/** The cluster as its clients, faults and checks see it. */
export interface Ground {
  readonly random: SeededRandom;
  readonly machines: readonly SimMachine[];
  readonly network: SimNetwork;
  readonly safety: Safety;
  readonly heartbeatTicks: number;
  readonly electionTicks: number;
  readonly now: number;
  /** Whether all faults have ended. */
  readonly isQuiet: boolean;
  machineOf(id: MemberId): SimMachine;
  isFrozen(machine: SimMachine): boolean;
  /** Steps a member's core; does nothing if the member is down or frozen. */
  step(machine: SimMachine, input: Input): void;
  start(machine: SimMachine): void;
  crash(machine: SimMachine): void;
  closeLink(a: SimMachine, b: SimMachine): void;
  openLink(a: SimMachine, b: SimMachine): void;
  /** Adds an event to the trace that a failure shows. */
  note(event: string): void;
}

export const isLeader = ({ member }: SimMachine): boolean => member?.core.status().role === "leader";

/** Picks a machine: often one that leads or believes to, as faults have the most effect there. */
export const pickMachine = ({ machines, random }: Ground): SimMachine => {
  const leaders = machines.filter(isLeader);
  return random.pick(leaders.length > 0 && random.chance(0.5) ? leaders : machines);
};

/** Describes a message or another event in a line. */
export const describe = (message: object): string =>
  JSON.stringify(message, (key, value: unknown) => {
    if (key === "entries") return (value as Entry[]).map(({ index, term }) => `${index}/${term}`).join(" ");
    if (key === "data") return "…";
    return typeof value === "bigint" ? String(value) : value;
  });

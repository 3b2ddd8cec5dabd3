import type { Configuration } from "../../raft/core/configuration.js";
import type { LogIndex, MemberId } from "../../raft/core/ids.js";
import type { Entry, Input } from "../../raft/core/types.js";
import { createDisk, type Disk, type Member } from "./member.js";
import type { SimNetwork } from "./network.js";
import type { SeededRandom } from "../../testing/index.js";
import type { Safety } from "./safety.js";

/** One place for a member: its disk stays when the member crashes. */
export interface Seat {
  readonly id: MemberId;
  readonly disk: Disk;
  member: Member | undefined;
  /** The last entry that the state machine holds in memory; on disk it may lag behind. */
  applied: LogIndex;
  frozenUntil: number;
  writeDoneAt: number;
  installDoneAt: number;
  /** This member's own ticks, and when it was asked to transfer leadership. */
  ticks: number;
  transferAskedAt: number | undefined;
  maxDiskTicks: number;
}

export const createSeat = (id: MemberId, initial: Configuration, maxDiskTicks: number): Seat => ({
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

/** The view of a cluster that its clients, faults and checks have. */
export interface Ground {
  readonly random: SeededRandom;
  readonly seats: readonly Seat[];
  readonly network: SimNetwork;
  readonly safety: Safety;
  readonly heartbeatTicks: number;
  readonly electionTicks: number;
  readonly now: number;
  /** There are no faults any more. */
  readonly isQuiet: boolean;
  seatOf(id: MemberId): Seat;
  isFrozen(seat: Seat): boolean;
  /** Nothing happens if the member is down or frozen. */
  step(seat: Seat, input: Input): void;
  start(seat: Seat): void;
  crash(seat: Seat): void;
  closeLink(a: Seat, b: Seat): void;
  /** For the story that a failure tells. */
  note(event: string): void;
}

export const isLeader = ({ member }: Seat): boolean => member?.core.status().role === "leader";

/** Any seat, but often one that leads, or believes so: that is where it hurts. */
export const pickSeat = ({ seats, random }: Ground): Seat => {
  const leaders = seats.filter(isLeader);
  return random.pick(leaders.length > 0 && random.chance(0.5) ? leaders : seats);
};

/** A message, or whatever else happens, in a line. */
export const describe = (message: object): string =>
  JSON.stringify(message, (key, value: unknown) => {
    if (key === "entries") return (value as Entry[]).map(({ index, term }) => `${index}/${term}`).join(" ");
    if (key === "data") return "…";
    return typeof value === "bigint" ? String(value) : value;
  });

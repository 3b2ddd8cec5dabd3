import type { MemberId } from "../../raft/core/ids.js";
import type { PeerMessage } from "../../raft/core/types.js";
import type { SeededRandom } from "../../testing/index.js";

/** A message in flight. */
export interface Packet {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly message: PeerMessage;
  readonly dueAt: number;
}

/** The chances and delays of faults of the network. */
export interface NetworkFaults {
  readonly loss: number;
  readonly repeat: number;
  readonly maxDelayTicks: number;
}

export const noNetworkFaults: NetworkFaults = { loss: 0, repeat: 0, maxDelayTicks: 0 };

/** Messages in flight. Their delays differ, so messages overtake each other. */
export class SimNetwork {
  conditions: NetworkFaults = noNetworkFaults;
  private packets: Packet[] = [];
  private readonly cuts = new Set<string>();

  constructor(private readonly random: SeededRandom) {}

  /** Cuts one direction only. */
  cut(from: MemberId, to: MemberId): void {
    this.cuts.add(`${from}>${to}`);
  }

  healAll(): void {
    this.cuts.clear();
  }

  /** Drops the messages in flight between two members. */
  drop(a: MemberId, b: MemberId): void {
    this.packets = this.packets.filter(({ from, to }) => !((from === a && to === b) || (from === b && to === a)));
  }

  send(packet: { from: MemberId; to: MemberId; message: PeerMessage; now: number }): void {
    const { from, to, message, now } = packet;
    if (this.cuts.has(`${from}>${to}`) || this.random.chance(this.conditions.loss)) return;
    const copies = this.random.chance(this.conditions.repeat) ? 2 : 1;
    for (let i = 0; i < copies; i++)
      this.packets.push({ from, to, message, dueAt: now + this.random.between(0, this.conditions.maxDelayTicks) });
  }

  /** Keeps a message that has arrived, as the receiver does not read from its socket now. */
  hold(packet: Packet, dueAt: number): void {
    this.packets.push({ ...packet, dueAt });
  }

  /** Takes the messages that arrive by `now`. */
  takeDue(now: number): readonly Packet[] {
    const due = this.packets.filter(({ dueAt }) => dueAt <= now);
    if (due.length > 0) this.packets = this.packets.filter(({ dueAt }) => dueAt > now);
    return due;
  }
}

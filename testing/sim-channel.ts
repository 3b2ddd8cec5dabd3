// A channel for a snapshot between two members: payloads arrive in order, one at a time, until the channel breaks.

import { ChannelClosedError, type SnapshotChannel } from "../server/peers/index.js";
import type { SimProcess } from "./process.js";
import type { Timeline } from "./timeline.js";

/** Maximum number of payloads in transit; then the sender waits. */
const room = 2;

interface Settle<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

/** The side of a channel in one process. */
class SimChannelEnd implements SnapshotChannel {
  other: SimChannelEnd | undefined;
  private readonly arrived: Uint8Array[] = [];
  /** Payloads that this side has sent and the other side has not taken. */
  private unsent = 0;
  private receiver: Settle<Uint8Array> | undefined;
  private sender: Settle<void> | undefined;
  private ended: ChannelClosedError | undefined;

  constructor(
    private readonly process: SimProcess,
    private readonly transmit: (arrive: () => void) => void,
  ) {}

  send(payload: Uint8Array): Promise<void> {
    if (this.ended !== undefined) return Promise.reject(this.ended);
    const bytes = Uint8Array.from(payload);
    this.unsent++;
    this.transmit(() => this.other?.push(bytes));
    if (this.unsent < room) return Promise.resolve();
    return new Promise((resolve, reject) => (this.sender = { resolve, reject }));
  }

  receive(): Promise<Uint8Array> {
    const first = this.arrived.shift();
    if (first !== undefined) {
      this.other?.onTaken();
      return Promise.resolve(first);
    }
    if (this.ended !== undefined) return Promise.reject(this.ended);
    return new Promise((resolve, reject) => (this.receiver = { resolve, reject }));
  }

  close(reason: string): void {
    if (this.ended !== undefined) return;
    this.endChannel(reason);
    this.transmit(() => this.other?.cut("the other side closed it"));
  }

  /** Breaks the connection. */
  cut(reason: string): void {
    this.process.receive(() => this.endChannel(reason));
  }

  private push(payload: Uint8Array): void {
    this.process.receive(() => {
      const { receiver } = this;
      this.receiver = undefined;
      if (receiver === undefined) this.arrived.push(payload);
      else {
        this.other?.onTaken();
        receiver.resolve(payload);
      }
    });
  }

  private onTaken(): void {
    this.process.receive(() => {
      this.unsent--;
      if (this.unsent >= room) return;
      this.sender?.resolve();
      this.sender = undefined;
    });
  }

  private endChannel(reason: string): void {
    if (this.ended !== undefined) return;
    this.ended = new ChannelClosedError(reason);
    this.receiver?.reject(this.ended);
    this.sender?.reject(this.ended);
    this.receiver = undefined;
    this.sender = undefined;
  }
}

/** The parts of a member that a channel needs. */
export interface ChannelSide {
  readonly name: string;
  readonly process: SimProcess;
}

/** A channel, with the methods that the network calls. */
export class SimChannel {
  readonly dialled: SnapshotChannel;
  readonly accepted: SnapshotChannel;
  isCut = false;
  private readonly ends: readonly [SimChannelEnd, SimChannelEnd];
  /** Arrivals that a blocked direction holds back, by the sending side. */
  private readonly stalled: readonly [(() => void)[], (() => void)[]] = [[], []];
  private readonly lastDue: [number, number] = [0, 0];

  constructor(
    private readonly scheduler: Timeline,
    readonly sides: readonly [ChannelSide, ChannelSide],
    private readonly passes: (from: ChannelSide, to: ChannelSide) => boolean,
    private readonly travelMs: (from: ChannelSide, to: ChannelSide) => number,
  ) {
    const end = (side: 0 | 1): SimChannelEnd =>
      new SimChannelEnd(sides[side].process, (arrive) => this.carry(side, arrive));
    this.ends = [end(0), end(1)];
    [this.ends[0].other, this.ends[1].other] = [this.ends[1], this.ends[0]];
    [this.dialled, this.accepted] = this.ends;
  }

  /** A direction may have been unblocked: delivers the arrivals that it held back. */
  goOn(): void {
    for (const side of [0, 1] as const) for (const arrive of this.stalled[side].splice(0)) this.carry(side, arrive);
  }

  /** Breaks the connection; the sides whose processes are alive are notified. */
  cut(): void {
    this.isCut = true;
    for (const end of this.ends) end.cut("connection closed");
  }

  private carry(side: 0 | 1, arrive: () => void): void {
    const [from, to] = side === 0 ? this.sides : [this.sides[1], this.sides[0]];
    const due = Math.max(this.lastDue[side], this.scheduler.now + this.travelMs(from, to));
    this.lastDue[side] = due;
    this.scheduler.after(due - this.scheduler.now, () => {
      if (this.isCut) return;
      if (this.passes(from, to)) arrive();
      else this.stalled[side].push(arrive);
    });
  }
}

// A snapshot channel within one process: a payload arrives as soon as it is sent.

import { ChannelClosedError, type SnapshotChannel } from "../server/peers/index.js";

/** Changes a payload in transit; undefined: the payload is lost. */
export type Alter = (payload: Uint8Array) => Uint8Array | undefined;

/** A side of a channel. The other side must take a payload before the next one can be sent. */
class MemoryEnd implements SnapshotChannel {
  other: MemoryEnd | undefined = undefined;
  private ended: string | undefined = undefined;
  private readonly arrived: { readonly payload: Uint8Array; readonly onTaken: () => void }[] = [];
  /** Wakes the calls of `send` that wait. */
  private readonly senders = new Set<() => void>();
  private wake: () => void = () => undefined;

  constructor(private readonly alter: Alter) {}

  async send(payload: Uint8Array): Promise<void> {
    this.throwIfEnded();
    const sent = this.alter(payload);
    await new Promise<void>((resolve) => {
      const onTaken = (): void => {
        this.senders.delete(onTaken);
        resolve();
      };
      this.senders.add(onTaken);
      if (sent === undefined) return;
      this.other?.arrived.push({ payload: sent, onTaken });
      this.other?.wake();
    });
    this.throwIfEnded();
  }

  async receive(): Promise<Uint8Array> {
    for (;;) {
      const first = this.arrived.shift();
      if (first !== undefined) {
        first.onTaken();
        return first.payload;
      }
      this.throwIfEnded();
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  close(reason: string): void {
    this.endChannel(reason);
    this.other?.endChannel("closed by the other side");
  }

  endChannel(reason: string): void {
    this.ended ??= reason;
    this.wake();
    for (const resolve of this.senders) resolve();
  }

  private throwIfEnded(): void {
    if (this.ended !== undefined) throw new ChannelClosedError(this.ended);
  }
}

/** The two sides of a channel, and a function that breaks it. */
export interface MemoryChannel {
  readonly ends: readonly [SnapshotChannel, SnapshotChannel];
  readonly cut: () => void;
}

/**
 * Opens a channel.
 *
 * @param alter changes payloads from the first to the second side
 */
export const memoryChannel = (alter: Alter = (payload) => payload): MemoryChannel => {
  const one = new MemoryEnd(alter);
  const other = new MemoryEnd((payload) => payload);
  one.other = other;
  other.other = one;
  const cut = (): void => {
    for (const end of [one, other]) end.endChannel("connection closed");
  };
  return { ends: [one, other], cut };
};

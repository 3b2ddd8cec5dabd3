import type { Socket } from "node:net";
import type { Clock } from "../../platform/index.js";
import { ChannelClosedError, type SnapshotChannel } from "./channel.js";
import { writeFrames } from "./frame.js";

/** The time after `close` to send the last payloads, in milliseconds; then the socket is destroyed. */
const lingerMs = 5_000;

interface WaitingRead {
  readonly resolve: (payload: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

/** A snapshot's channel over a socket. The reader of the socket calls `push` with the payloads. */
export class SocketChannel implements SnapshotChannel {
  /** Payloads received before a call of `receive`. The socket is paused then, so there are at most those of one read. */
  private readonly arrived: Uint8Array[] = [];
  private receiver: WaitingRead | undefined;
  private senders: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  private ended: ChannelClosedError | undefined;

  constructor(
    private readonly socket: Socket,
    private readonly clock: Clock,
  ) {
    socket.on("drain", () => {
      for (const { resolve } of this.senders.splice(0)) resolve();
    });
    socket.on("close", () => this.endChannel("connection closed"));
  }

  /** Adds a received payload. */
  push(payload: Uint8Array): void {
    if (this.ended !== undefined) return;
    const { receiver } = this;
    this.receiver = undefined;
    if (receiver !== undefined) receiver.resolve(payload);
    else {
      this.arrived.push(payload);
      this.socket.pause();
    }
  }

  async send(payload: Uint8Array): Promise<void> {
    if (this.ended !== undefined) throw this.ended;
    writeFrames(this.socket, [payload]);
    if (this.socket.writableNeedDrain)
      await new Promise<void>((resolve, reject) => this.senders.push({ resolve, reject }));
  }

  async receive(): Promise<Uint8Array> {
    const first = this.arrived.shift();
    if (first !== undefined) return first;
    if (this.ended !== undefined) throw this.ended;
    this.socket.resume();
    return new Promise((resolve, reject) => (this.receiver = { resolve, reject }));
  }

  close(reason: string): void {
    if (this.ended !== undefined) return;
    this.endChannel(reason);
    this.socket.end();
    // Further input is read and dropped: with unread input the system would discard the last payload.
    this.socket.resume();
    const cancel = this.clock.after(lingerMs, () => this.socket.destroy());
    this.socket.once("close", cancel);
  }

  private endChannel(reason: string): void {
    if (this.ended !== undefined) return;
    this.ended = new ChannelClosedError(reason);
    this.receiver?.reject(this.ended);
    this.receiver = undefined;
    for (const { reject } of this.senders.splice(0)) reject(this.ended);
  }
}

import { maxUnsentBytes, maxUnsentMessages } from "../base/index.js";
import type { Labelled, MethodStats } from "../rpc/index.js";
import type { UntakenAnswers, UntakenOfConnection } from "./untaken-answers.js";

/** The messages of a stream that its client has not taken yet. */
export class SendBuffer {
  onDrain: () => void = () => undefined;
  private messages = 0;
  private bytes = 0;
  private isFull = false;
  private isClosed = false;

  constructor(
    private readonly grpcCall: { write(message: unknown, onWritten: () => void): boolean },
    private readonly encode: (response: unknown) => Buffer,
    /** Undefined: the connection is closed already. */
    private readonly untaken: UntakenOfConnection | undefined,
    /** The counters that it shares with other streams. */
    private readonly shared: { readonly all: UntakenAnswers; readonly stats: MethodStats },
  ) {}

  /** False: it is full now, and `onDrain` tells when it is empty. What is sent all the same is kept. */
  send(response: unknown): boolean {
    return this.write(this.encode(response)); // here, so that bytes can be counted
  }

  /** Sends a message for each label, as long as there is room. @returns how many */
  sendEach(labels: readonly Labelled[], from: number, to: number, head: Uint8Array, tail: Uint8Array): number {
    let sent = 0;
    for (const { label } of labels.slice(from, to)) {
      if (this.isFull) break;
      this.write(Buffer.concat([head, label, tail]));
      sent += 1;
    }
    return sent;
  }

  /** Drops the bytes that are left: the client takes no more. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.untaken?.release(this.bytes);
  }

  private write(message: Buffer): boolean {
    this.messages += 1;
    this.bytes += message.length;
    this.shared.stats.countSent(1, message.length);
    this.untaken?.keep(message.length);
    this.isFull ||= this.messages >= maxUnsentMessages || this.bytes >= maxUnsentBytes || this.shared.all.isPressed;
    this.grpcCall.write(message, () => this.onWritten(message.length));
    return !this.isFull;
  }

  private onWritten(bytes: number): void {
    if (this.isClosed) return;
    this.messages -= 1;
    this.bytes -= bytes;
    this.untaken?.release(bytes);
    if (!this.isFull || this.messages > 0) return;
    this.isFull = false;
    this.onDrain();
  }
}

import { maxUnsentBytes, maxUnsentMessages } from "../../base/index.js";
import type { Labelled, MethodStats } from "../../rpc/index.js";
import type { UntakenAnswers, UntakenOfConnection } from "../engine/index.js";

/** The untaken messages of a stream. */
export class SendBuffer {
  onDrain: () => void = () => undefined;
  private messages = 0;
  private bytes = 0;
  private isFull = false;
  private isClosed = false;

  constructor(
    private readonly grpcCall: { write(message: unknown, onWritten: () => void): boolean },
    private readonly encode: (response: unknown) => Buffer,
    /** Undefined: the connection is closed. */
    private readonly untaken: UntakenOfConnection | undefined,
    /** The counters shared with other streams. */
    private readonly shared: { readonly all: UntakenAnswers; readonly stats: MethodStats },
  ) {}

  /** Sends a message, also if there is no room. @returns false: there is no room left; `onDrain` is called when there is again */
  send(response: unknown): boolean {
    return this.write(this.encode(response)); // encoded here, so that its bytes can be counted
  }

  /** Sends a message for each label, while there is room. @returns the number of sent messages */
  sendEach(labels: readonly Labelled[], from: number, to: number, head: Uint8Array, tail: Uint8Array): number {
    let sent = 0;
    for (const { label } of labels.slice(from, to)) {
      if (this.isFull) break;
      this.write(Buffer.concat([head, label, tail]));
      sent += 1;
    }
    return sent;
  }

  /** Releases the untaken bytes: the client reads no more. */
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

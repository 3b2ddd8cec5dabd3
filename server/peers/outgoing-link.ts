import type { Socket } from "node:net";
import type { Address } from "../base/index.js";
import { dial, type DialOptions } from "./dial.js";
import { writeFrames } from "./frame.js";
import { keepaliveMs, type Refusal } from "./hello.js";

/** Bytes that wait for a slow member; beyond it messages to it are dropped, as if the network had lost them. */
const maxQueuedBytes = 64 * 1024 * 1024;
const firstRetryMs = 50;
const longestRetryMs = 1_000;
/** The number of keepalives that may be missed in a row before the connection is closed and dialled again. */
const maxMissedKeepalives = 3;

export interface OutgoingLinkOptions extends DialOptions {
  /** Tried in turn until one answers. */
  readonly addresses: readonly Address[];
  /** Messages have a way to go; what was sent before may have been lost. */
  readonly onOpened: () => void;
  /** An established connection closed. */
  readonly onClosed: () => void;
  /** The other side will not have us, and why. It is asked again later. */
  readonly onRefused: (refusal: Refusal) => void;
}

/** The connection over which this member speaks to one other; dialled again for as long as the member runs. */
export class OutgoingLink {
  private socket: Socket | undefined;
  private isEstablished = false;
  private closed = false;
  private retryMs = firstRetryMs;
  private attempts = 0;
  private cancelRetry: (() => void) | undefined;
  private missedKeepalives = 0;
  private resolveTried: () => void = () => undefined;

  /** Resolves once the member has answered, or each of its addresses was tried without one. */
  readonly whenTried = new Promise<void>((resolve) => (this.resolveTried = resolve));

  constructor(private readonly options: OutgoingLinkOptions) {}

  /** Whether messages have a way to go. */
  get isUp(): boolean {
    return this.isEstablished;
  }

  open(): void {
    if (this.closed) return;
    const { addresses, clock } = this.options;
    const address = addresses[this.attempts++ % addresses.length];
    if (address === undefined) {
      this.resolveTried();
      return;
    }
    this.missedKeepalives = 0;
    // Counted, not timed: a process that stood still for a minute has missed one, not sixty.
    const cancelWatch = clock.every(keepaliveMs, () => {
      if (this.isEstablished && ++this.missedKeepalives > maxMissedKeepalives) socket.destroy();
    });
    const socket = dial(address, "messages", this.options, {
      onAnswer: (refusal) => this.onAnswer(refusal),
      onPayload: () => (this.missedKeepalives = 0),
      onClosed: () => {
        cancelWatch();
        this.onSocketClosed();
      },
    });
    this.socket = socket;
  }

  /** The member has just called, so it is there: dials now what would have been dialled a little later. */
  redial(): void {
    if (this.socket !== undefined) return; // connected, or about to be
    this.cancelRetry?.();
    this.open();
  }

  /** Sends over the present connection, each as a frame; without one, or beyond the bound, they are lost. */
  send(payloads: readonly Uint8Array[]): void {
    const { socket } = this;
    if (socket === undefined || !this.isEstablished || socket.writableLength > maxQueuedBytes) return;
    writeFrames(socket, payloads);
  }

  close(): void {
    this.closed = true;
    this.cancelRetry?.();
    this.socket?.destroy();
    this.resolveTried();
  }

  private onAnswer(refusal: Refusal | undefined): void {
    if (refusal !== undefined) {
      this.options.onRefused(refusal);
      this.retryMs = longestRetryMs;
      this.socket?.destroy();
    } else {
      this.isEstablished = true;
      this.retryMs = firstRetryMs;
      this.options.onOpened();
    }
    this.resolveTried();
  }

  private onSocketClosed(): void {
    const wasEstablished = this.isEstablished;
    this.isEstablished = false;
    this.socket = undefined;
    if (this.attempts >= this.options.addresses.length) this.resolveTried();
    if (this.closed) return;
    this.cancelRetry = this.options.clock.after(this.retryMs, () => this.open());
    this.retryMs = Math.min(this.retryMs * 2, longestRetryMs);
    if (wasEstablished) this.options.onClosed();
  }
}

import { connect, type Socket } from "node:net";
import type { Clock, MemberId } from "../../raft/index.js";
import type { Address } from "../urls.js";
import { decodeAnswer, encodeHello, maxHelloBytes, signOfLifeMs } from "./hello.js";
import { frameHeader, FrameReader } from "./frame.js";

/** Bytes that wait for a slow member; beyond it messages to it are dropped, as if the network had lost them. */
const maxQueuedBytes = 64 * 1024 * 1024;
const firstRetryMs = 50;
const longestRetryMs = 1_000;
/** How long a connection may take to be accepted before it is given up and dialled anew. */
const handshakeMs = 5_000;
/** So many signs of life may be missed in a row; then the way is taken for lost, and dialled anew. */
const maxMissedSigns = 3;

export interface OutgoingLinkOptions {
  readonly clusterId: bigint;
  readonly from: MemberId;
  readonly to: MemberId;
  /** Tried in turn until one answers. */
  readonly addresses: readonly Address[];
  readonly clock: Clock;
  /** Messages have a way to go; what was sent before may have been lost. */
  readonly onOpened: () => void;
  /** An established connection closed. */
  readonly onClosed: () => void;
  /** The other side will not have us, and why. It is asked again later. */
  readonly onRefused: (reason: string) => void;
}

/** The connection over which this member speaks to one other; dialled again for as long as the member runs. */
export class OutgoingLink {
  private socket: Socket | undefined;
  private established = false;
  private closed = false;
  private retryMs = firstRetryMs;
  private attempt = 0;
  private cancelRetry: (() => void) | undefined;

  constructor(private readonly options: OutgoingLinkOptions) {}

  /** Whether messages have a way to go. */
  get isUp(): boolean {
    return this.established;
  }

  open(): void {
    if (this.closed) return;
    const address = this.options.addresses[this.attempt++ % this.options.addresses.length];
    if (address === undefined) return;
    const socket = connect(address.kind === "unix" ? { path: address.path } : { ...address, noDelay: true });
    this.socket = socket;
    const cancelHandshake = this.options.clock.after(handshakeMs, () => socket.destroy());
    socket.on("connect", () => write(socket, [encodeHello({ ...this.options, purpose: "messages" })]));
    const reader = new FrameReader(maxHelloBytes);
    let missedSigns = 0;
    // Counted, not timed: a process that stood still for a minute has missed one, not sixty.
    const cancelWatch = this.options.clock.every(signOfLifeMs, () => {
      if (this.established && ++missedSigns > maxMissedSigns) socket.destroy();
    });
    socket.on("data", (chunk: Buffer) => {
      missedSigns = 0;
      try {
        reader.push(chunk, (answer) => {
          cancelHandshake();
          this.onAnswer(decodeAnswer(answer));
        });
      } catch {
        socket.destroy(); // whatever that is, it is not a member
      }
    });
    socket.on("error", () => undefined); // "close" follows and does the work
    socket.on("close", () => {
      cancelHandshake();
      cancelWatch();
      this.onSocketClosed();
    });
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
    if (socket === undefined || !this.established || socket.writableLength > maxQueuedBytes) return;
    write(socket, payloads);
  }

  close(): void {
    this.closed = true;
    this.cancelRetry?.();
    this.socket?.destroy();
  }

  private onAnswer(refusal: string): void {
    if (refusal !== "") {
      this.options.onRefused(refusal);
      this.retryMs = longestRetryMs;
      this.socket?.destroy();
      return;
    }
    if (this.established) return; // a sign of life
    this.established = true;
    this.retryMs = firstRetryMs;
    this.options.onOpened();
  }

  private onSocketClosed(): void {
    const wasEstablished = this.established;
    this.established = false;
    this.socket = undefined;
    if (this.closed) return;
    this.cancelRetry = this.options.clock.after(this.retryMs, () => this.open());
    this.retryMs = Math.min(this.retryMs * 2, longestRetryMs);
    if (wasEstablished) this.options.onClosed();
  }
}

/** One system call for all of them. */
const write = (socket: Socket, payloads: readonly Uint8Array[]): void => {
  socket.cork();
  for (const payload of payloads) {
    socket.write(frameHeader(payload));
    socket.write(payload);
  }
  socket.uncork();
};

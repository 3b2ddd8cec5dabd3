import type { Socket } from "node:net";
import { formatId, type Logger, type PortAddress } from "../base/index.js";
import { handshakeFailure, isTlsError } from "../tls/index.js";
import { dial, type DialListener, type DialOptions } from "./dial.js";
import { writeFrames } from "./frame.js";
import { keepaliveMs, type HelloRefusal } from "./hello.js";
import type { PeerTraffic } from "./peer-stats.js";
import type { PeersListener } from "./peers-listener.js";

/** The maximum number of bytes queued for a slow peer; beyond it messages are dropped, as if the network had lost them. */
const maxQueuedBytes = 64 * 1024 * 1024;
const firstRetryMs = 50;
const longestRetryMs = 1_000;
/** The number of consecutive keepalives that may be missed before the connection is closed and dialled again. */
const maxMissedKeepalives = 3;

/** The options of `OutgoingLink`. */
export interface OutgoingLinkOptions extends DialOptions {
  /** The addresses of the peer, tried in turn until one answers. */
  readonly addresses: readonly PortAddress[];
  readonly logger: Logger;
}

/** Receives the events of a link. */
type LinkListener = Pick<PeersListener, "onLinkOpened" | "onLinkClosed" | "onFenced">;

/** The connection over which this member sends to one peer; dialled again until it is closed. */
export class OutgoingLink implements DialListener {
  private socket: Socket | undefined;
  private isEstablished = false;
  private isClosed = false;
  private retryMs = firstRetryMs;
  private attempts = 0;
  private cancelRetry: (() => void) | undefined;
  private missedKeepalives = 0;
  /** Stops counting the missed keepalives of the current connection. */
  private cancelWatch: () => void = () => undefined;
  /** The reason of the last refusal; logged once. */
  private refusedBecause: string | undefined;
  /** The reason of the last TLS failure; logged once. */
  private insecureBecause: string | undefined;
  private listener: LinkListener | undefined;
  private resolveTried: () => void = () => undefined;

  /** Resolves once the peer has answered, or each of its addresses was tried without an answer. */
  readonly whenTried = new Promise<void>((resolve) => (this.resolveTried = resolve));

  constructor(
    private readonly options: OutgoingLinkOptions,
    private readonly traffic: PeerTraffic,
  ) {}

  /** Whether the link is established. */
  get isUp(): boolean {
    return this.isEstablished;
  }

  /** Dials the peer, and again whenever the link has closed. */
  open(listener: LinkListener): void {
    this.listener = listener;
    this.dialNext();
  }

  /** Dials at once instead of after the retry delay: the peer has just connected, so it is running. */
  redial(): void {
    if (this.socket !== undefined || this.listener === undefined) return; // connected, or being dialled
    this.cancelRetry?.();
    this.dialNext();
  }

  /** Sends payloads, each as a frame; without a link, or beyond the bound, they are dropped. */
  send(payloads: readonly Uint8Array[]): void {
    const { writableSocket } = this;
    if (writableSocket !== undefined) writeFrames(writableSocket, payloads);
  }

  /**
   * Sends complete frames, given in pieces, with one system call; without a link, or beyond the bound, they are dropped.
   *
   * @returns whether the socket is done with `pieces`; otherwise they must not be changed
   */
  sendFrames(pieces: readonly Uint8Array[]): boolean {
    const { writableSocket } = this;
    if (writableSocket === undefined) return true;
    if (pieces.length > 1) writableSocket.cork();
    for (const piece of pieces) writableSocket.write(piece);
    if (pieces.length > 1) writableSocket.uncork();
    // TLS encrypts the bytes later and reports that by its length: they count as in use until then.
    return writableSocket.writableLength === 0;
  }

  /** The socket; undefined if no message may be sent. */
  private get writableSocket(): Socket | undefined {
    const { socket } = this;
    const isWritable = socket !== undefined && this.isEstablished && socket.writableLength <= maxQueuedBytes;
    return isWritable ? socket : undefined;
  }

  /** Closes the link for good. */
  close(): void {
    this.isClosed = true;
    this.cancelRetry?.();
    this.socket?.destroy();
    this.resolveTried();
  }

  /** Dials the next address. */
  private dialNext(): void {
    if (this.isClosed) return;
    const { addresses, clock } = this.options;
    const address = addresses[this.attempts++ % addresses.length];
    if (address === undefined) {
      this.resolveTried();
      return;
    }
    this.missedKeepalives = 0;
    // Counted, not timed: a process that was frozen for a minute has missed one keepalive, not sixty.
    this.cancelWatch = clock.every(keepaliveMs, () => {
      if (this.isEstablished && ++this.missedKeepalives > maxMissedKeepalives) this.socket?.destroy();
    });
    this.socket = dial(address, "messages", this.options, this);
  }

  onAnswer(refusal: HelloRefusal | undefined): void {
    if (refusal !== undefined) {
      this.onRefused(refusal);
      this.retryMs = longestRetryMs;
      this.socket?.destroy();
    } else {
      this.isEstablished = true;
      this.traffic.isActive = true;
      this.retryMs = firstRetryMs;
      this.refusedBecause = this.insecureBecause = undefined;
      this.listener?.onLinkOpened(this.options.to);
    }
    this.resolveTried();
  }

  /** Notes a keepalive: the peer sends nothing else. */
  onPayload(): void {
    this.missedKeepalives = 0;
  }

  onClosed(cause: Error | undefined): void {
    this.cancelWatch();
    if (isTlsError(cause)) this.logInsecure(handshakeFailure(cause, undefined));
    this.onSocketClosed();
  }

  private onRefused({ reason, isStale }: HelloRefusal): void {
    const { to, logger } = this.options;
    if (isStale) this.listener?.onFenced(reason);
    if (this.refusedBecause === reason) return; // the link is dialled every second; one line is enough
    this.refusedBecause = reason;
    logger.warn("peer refused connection", { peer: formatId(to), reason });
  }

  private logInsecure(reason: string): void {
    if (this.insecureBecause === reason) return;
    this.insecureBecause = reason;
    const { to, logger } = this.options;
    logger.warn("cannot connect to peer over TLS", { peer: formatId(to), error: reason });
  }

  private onSocketClosed(): void {
    const wasEstablished = this.isEstablished;
    this.isEstablished = false;
    this.socket = undefined;
    if (wasEstablished) {
      this.traffic.isActive = false;
      this.traffic.disconnects++;
    }
    if (this.attempts >= this.options.addresses.length) this.resolveTried();
    if (this.isClosed) return;
    this.cancelRetry = this.options.clock.after(this.retryMs, () => this.dialNext());
    this.retryMs = Math.min(this.retryMs * 2, longestRetryMs);
    if (wasEstablished) this.listener?.onLinkClosed(this.options.to);
  }
}

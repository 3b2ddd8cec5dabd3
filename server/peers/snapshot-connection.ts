import type { Socket } from "node:net";
import { ChannelClosedError, type SnapshotChannel } from "./channel.js";
import type { PortAddress } from "../base/index.js";
import { dial, type DialListener, type DialOptions } from "./dial.js";
import type { HelloRefusal } from "./hello.js";
import { SocketChannel } from "./socket-channel.js";

/** The connections dialled to send snapshots, one per snapshot. */
export class SnapshotConnections {
  private readonly sockets = new Set<Socket>();
  private isClosed = false;

  /**
   * Opens a channel.
   *
   * @param addresses the member's addresses, tried in turn until one answers
   * @throws ChannelClosedError if the peer is unreachable or refuses the hello
   */
  async open(addresses: readonly PortAddress[], options: DialOptions): Promise<SnapshotChannel> {
    let failure = new ChannelClosedError("peer has no address");
    for (const address of addresses)
      try {
        return await this.dial(address, options);
      } catch (error) {
        if (!(error instanceof ChannelClosedError)) throw error;
        failure = error;
      }
    throw failure;
  }

  /** Closes all channels and opens no further one. */
  close(): void {
    this.isClosed = true;
    for (const socket of this.sockets) socket.destroy();
  }

  private dial(address: PortAddress, options: DialOptions): Promise<SnapshotChannel> {
    if (this.isClosed) return Promise.reject(new ChannelClosedError("the member is stopping"));
    return new Promise((resolve, reject) => {
      new SnapshotDial(this.sockets, options, resolve, reject).dialAddress(address);
    });
  }
}

/** An attempt to open a channel at one address; its socket is in `sockets` until it is closed. */
class SnapshotDial implements DialListener {
  private socket: Socket | undefined;
  private channel: SocketChannel | undefined;

  constructor(
    private readonly sockets: Set<Socket>,
    private readonly options: DialOptions,
    private readonly resolve: (channel: SnapshotChannel) => void,
    private readonly reject: (error: ChannelClosedError) => void,
  ) {}

  dialAddress(address: PortAddress): void {
    this.socket = dial(address, "snapshot", this.options, this);
    this.sockets.add(this.socket);
  }

  onAnswer(refusal: HelloRefusal | undefined): void {
    const { socket } = this;
    if (socket === undefined) return; // an answer arrives after `dial` has returned
    if (refusal === undefined) {
      this.channel = new SocketChannel(socket, this.options.clock);
      this.resolve(this.channel);
      return;
    }
    this.reject(new ChannelClosedError(`peer refused connection: ${refusal.reason}`));
    socket.destroy();
  }

  onPayload(payload: Buffer): void {
    this.channel?.push(payload);
  }

  onClosed(cause: Error | undefined): void {
    if (this.socket !== undefined) this.sockets.delete(this.socket);
    this.reject(new ChannelClosedError("peer is unreachable", { cause })); // no effect after `resolve`
  }
}

import type { Socket } from "node:net";
import { ChannelClosedError, type SnapshotChannel } from "./channel.js";
import type { PortAddress } from "../base/index.js";
import { dial, type DialOptions } from "./dial.js";
import { SocketChannel } from "./socket-channel.js";

/** The connections dialled to send snapshots, one per snapshot. */
export class SnapshotConnections {
  private readonly sockets = new Set<Socket>();
  private closed = false;

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
    this.closed = true;
    for (const socket of this.sockets) socket.destroy();
  }

  private dial(address: PortAddress, options: DialOptions): Promise<SnapshotChannel> {
    if (this.closed) return Promise.reject(new ChannelClosedError("the member is stopping"));
    return new Promise((resolve, reject) => {
      let channel: SocketChannel | undefined;
      const socket = dial(address, "snapshot", options, {
        onAnswer: (refusal) => {
          if (refusal === undefined) {
            channel = new SocketChannel(socket, options.clock);
            resolve(channel);
            return;
          }
          reject(new ChannelClosedError(`peer refused connection: ${refusal.reason}`));
          socket.destroy();
        },
        onPayload: (payload) => channel?.push(payload),
        onClosed: (cause) => {
          this.sockets.delete(socket);
          reject(new ChannelClosedError("peer is unreachable", { cause })); // no effect after `resolve`
        },
      });
      this.sockets.add(socket);
    });
  }
}

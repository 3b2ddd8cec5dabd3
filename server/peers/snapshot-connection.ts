import { connect, type Socket } from "node:net";
import type { Clock, MemberId } from "../../raft/index.js";
import { ChannelClosedError, type SnapshotChannel } from "../snapshots/channel.js";
import type { Address } from "../urls.js";
import { FrameReader, frameHeader } from "./frame.js";
import { decodeAnswer, encodeHello, maxHelloBytes } from "./hello.js";
import { SocketChannel } from "./socket-channel.js";

const handshakeMs = 5_000;

export interface SnapshotConnectionOptions {
  readonly clusterId: bigint;
  readonly from: MemberId;
  readonly to: MemberId;
  /** Tried in turn until one answers. */
  readonly addresses: readonly Address[];
  readonly clock: Clock;
}

/** Connections that are dialled to send a snapshot, one each. */
export class SnapshotConnections {
  private readonly sockets = new Set<Socket>();
  private closed = false;

  /** @throws ChannelClosedError if there is no way to the member, or it will not have us */
  async open(options: SnapshotConnectionOptions): Promise<SnapshotChannel> {
    let failure = new ChannelClosedError("the member has no address");
    for (const address of options.addresses)
      try {
        return await this.dial(address, options);
      } catch (error) {
        if (!(error instanceof ChannelClosedError)) throw error;
        failure = error;
      }
    throw failure;
  }

  close(): void {
    this.closed = true;
    for (const socket of this.sockets) socket.destroy();
  }

  private dial(address: Address, options: SnapshotConnectionOptions): Promise<SnapshotChannel> {
    if (this.closed) return Promise.reject(new ChannelClosedError("the member is stopping"));
    const { clock } = options;
    const socket = connect(address.kind === "unix" ? { path: address.path } : { ...address, noDelay: true });
    this.sockets.add(socket);
    socket.on("connect", () => {
      const hello = encodeHello({ ...options, purpose: "snapshot" });
      socket.write(frameHeader(hello));
      socket.write(hello);
    });
    const cancelHandshake = clock.after(handshakeMs, () => socket.destroy());
    return new Promise((resolve, reject) => {
      let cause: Error | undefined;
      socket.on("error", (error) => (cause = error)); // "close" follows and does the work
      socket.on("close", () => {
        cancelHandshake();
        this.sockets.delete(socket);
        reject(new ChannelClosedError("the member cannot be reached", { cause }));
      });
      const reader = new FrameReader(maxHelloBytes);
      let channel: SocketChannel | undefined;
      const take = (payload: Buffer): void => {
        if (channel !== undefined) {
          channel.push(payload);
          return;
        }
        const refusal = decodeAnswer(payload);
        if (refusal !== "") throw new ChannelClosedError(`the member refuses to talk to this one: ${refusal}`);
        cancelHandshake();
        channel = new SocketChannel(socket, clock);
        resolve(channel);
      };
      socket.on("data", (chunk: Buffer) => {
        try {
          reader.push(chunk, take);
        } catch (error) {
          reject(
            error instanceof ChannelClosedError ? error : new ChannelClosedError("not a member", { cause: error }),
          );
          socket.destroy();
        }
      });
    });
  }
}

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Clock } from "../../platform/index.js";
import { parseMemberUrl } from "../base/index.js";
import { listen } from "../net/index.js";
import { withDeadline } from "./deadline.js";

/** Both ends of a connection within this process. */
export interface SocketPair {
  readonly client: Socket;
  readonly server: Socket;
}

/** The URL of a loopback port that the operating system chooses. */
export const anyLoopbackPort = parseMemberUrl("http://127.0.0.1:0");

/** The longest time to connect to this process itself, in milliseconds. */
const maxConnectMs = 5_000;

/** Connects two sockets over a port of their own, which closes when they are connected. Connections of other programs to it are closed. */
export const connectSocketPair = async (clock: Clock): Promise<SocketPair> => {
  let take: (socket: Socket) => void = (socket) => socket.destroy();
  const listener = await listen(
    [anyLoopbackPort],
    (socket) => {
      socket.on("error", () => undefined); // "close" follows
      take(socket);
    },
    () => undefined,
  );
  const [address] = listener.addresses;
  const client = connect({ host: "127.0.0.1", port: address?.kind === "tcp" ? address.port : 0, noDelay: true });
  client.on("error", () => undefined); // "close" follows
  try {
    const accepted = new Promise<Socket>((resolve) => {
      take = (socket) => (socket.remotePort === client.localPort ? resolve(socket) : socket.destroy());
    });
    const [server] = await withDeadline(clock, maxConnectMs, Promise.all([accepted, once(client, "connect")]));
    return { client, server };
  } catch (error) {
    client.destroy();
    throw error;
  } finally {
    take = (socket) => socket.destroy();
    void listener.close();
  }
};

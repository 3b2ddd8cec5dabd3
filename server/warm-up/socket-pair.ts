import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Clock } from "../../platform/index.js";
import { parseMemberUrl } from "../base/index.js";
import { listen } from "../net/index.js";
import { withDeadline } from "./deadline.js";

/** A connection within this process: both its ends. */
export interface SocketPair {
  readonly client: Socket;
  readonly server: Socket;
}

/** The URL of a port of this machine alone, which the system chooses. */
export const anyLoopbackPort = parseMemberUrl("http://127.0.0.1:0");

/** The time in which a connection to this process itself must be there. */
const patienceMs = 5_000;

/** Connects two sockets over a port that is closed again before this resolves. Whoever else connects to it is turned away. */
export const socketPair = async (clock: Clock): Promise<SocketPair> => {
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
    const [server] = await withDeadline(clock, patienceMs, Promise.all([accepted, once(client, "connect")]));
    return { client, server };
  } catch (error) {
    client.destroy();
    throw error;
  } finally {
    take = (socket) => socket.destroy();
    void listener.close();
  }
};

import { unlink } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { socketPathProblem } from "../../proto/index.js";
import { errorCode } from "../../platform/index.js";
import {
  type Address,
  bindAddresses,
  formatAddress,
  type MemberUrl,
  type PortAddress,
  StartError,
} from "../base/index.js";

/** Handles a connection that was accepted at a URL. */
export type OnConnection = (socket: Socket, url: MemberUrl) => void;

/** Listening sockets for one purpose. */
export interface Listener {
  /** The bound addresses, with the real port where 0 was given. */
  readonly addresses: readonly PortAddress[];
  /** Accepts no more; accepted connections stay open. */
  close(): Promise<void>;
}

/**
 * Binds every URL and passes connections on.
 *
 * @param onAcceptError called when a connection could not be accepted; the next one may be
 * @throws StartError if an address is in use or cannot be bound
 */
export const listen = async (
  urls: readonly MemberUrl[],
  onConnection: OnConnection,
  onAcceptError: (error: Error) => void,
): Promise<Listener> => {
  const servers: Server[] = [];
  const addresses: PortAddress[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  };
  try {
    for (const url of urls) {
      const bound = await bindUrl(url, (socket) => onConnection(socket, url), servers);
      addresses.push(...bound.map((address) => ({ ...address, isSecure: /^(?:https|unixs)$/.test(url.scheme) })));
    }
  } catch (error) {
    await close();
    throw error;
  }
  // A failure to accept, for lack of file descriptors or memory, concerns that one client only.
  for (const server of servers) server.on("error", onAcceptError);
  return { addresses, close };
};

/** @returns the bound addresses of the added servers */
const bindUrl = async (
  url: MemberUrl,
  onConnection: (socket: Socket) => void,
  servers: Server[],
): Promise<readonly Address[]> => {
  const [first, ...others] = bindAddresses(url.address);
  if (first === undefined) return [];
  const before = servers.length;
  const server = await bind(first, onConnection);
  servers.push(server);
  for (const other of others) {
    const bound = boundAddress(server); // with port 0, all addresses of localhost get the port of the first
    const port = bound.kind === "tcp" ? bound.port : 0;
    try {
      servers.push(await bind(other.kind === "tcp" ? { ...other, port } : other, onConnection));
    } catch (error) {
      if (!isMissingFamily(error)) throw error;
      // 127.0.0.1 is the only address of localhost on a machine without IPv6.
    }
  }
  return servers.slice(before).map(boundAddress);
};

const bind = async (address: Address, onConnection: (socket: Socket) => void): Promise<Server> => {
  const problem = address.kind === "unix" ? socketPathProblem(address.path) : undefined;
  if (problem !== undefined)
    throw new StartError(`listen ${formatAddress(address)}: bind: invalid argument: ${problem}`);
  try {
    return await tryBind(address, onConnection);
  } catch (error) {
    if (address.kind !== "unix" || errorCode(error) !== "EADDRINUSE" || (await isAnswered(address.path)))
      throw bindError(address, error);
    await unlink(address.path); // left behind by a killed member
    return tryBind(address, onConnection).catch((again: unknown) => Promise.reject(bindError(address, again)));
  }
};

const tryBind = (address: Address, onConnection: (socket: Socket) => void): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true }, onConnection);
    server.once("error", reject);
    const onListening = (): void => {
      server.removeListener("error", reject);
      resolve(server);
    };
    if (address.kind === "unix") server.listen({ path: address.path, backlog: 1024 }, onListening);
    else server.listen({ host: address.host, port: address.port, backlog: 1024, ipv6Only: true }, onListening);
  });

const isAnswered = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });

const boundAddress = (server: Server): Address => {
  const address = server.address();
  if (typeof address === "string") return { kind: "unix", path: address };
  return { kind: "tcp", host: address?.address ?? "", port: address?.port ?? 0 };
};

/** An address that cannot be bound; `code` is the system's. */
class BindError extends StartError {
  constructor(
    address: Address,
    readonly code: string,
  ) {
    const where = `listen ${formatAddress(address)}: `;
    super(
      code === "EADDRINUSE"
        ? `${where}bind: address already in use: stop what uses it, or choose another URL`
        : `${where}cannot bind (${code})`,
    );
  }
}

const bindError = (address: Address, cause: unknown): BindError => new BindError(address, errorCode(cause) ?? "");

const isMissingFamily = (error: unknown): boolean =>
  error instanceof BindError && ["EADDRNOTAVAIL", "EAFNOSUPPORT"].includes(error.code);

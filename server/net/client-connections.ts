import type { Socket } from "node:net";
import { ConnectionSlots } from "../resources/index.js";
import { maxClientConnections, maxConnectionsBeforeReady, maxPrefaceMs } from "../base/index.js";
import { preface } from "./http2/index.js";

/** Serves connections of one protocol. */
export interface ConnectionServer {
  /** Serves a connection. `seen` has the bytes that were read from the socket already. */
  serve(socket: Socket, seen: Buffer): void;
}

/** Performs a handshake on a connection; `onSecure` is called if it succeeds. */
export type SecureConnection = (raw: Socket, onSecure: (socket: Socket) => void) => void;

/** The owners of connections, by protocol. */
export interface ConnectionOwners {
  readonly http2: ConnectionServer;
  readonly http1: ConnectionServer;
}

/**
 * Accepts client connections, holds them until the member is ready, and passes each to the owner of its protocol: gRPC and
 * HTTP/1.1 share the port.
 */
export class ClientConnections {
  /** The connections, as accepted, that have no owner yet; an owner ends its own connections. */
  private readonly open = new Set<Socket>();
  /** The connections that wait for the member, each with its accepted socket: with TLS, they differ. */
  private readonly early = new Map<Socket, Socket>();
  private owners: ConnectionOwners | undefined;
  private isClosed = false;

  /**
   * @param slots bounds the connections, shared with the metrics port
   * @param onTooMany called when a connection is closed at once, as there are too many
   * @param onTls called when a connection without TLS is closed because its client begins a TLS handshake
   */
  constructor(
    private readonly slots = new ConnectionSlots(() => maxClientConnections),
    private readonly onTooMany: () => void = () => undefined,
    private readonly onTls: () => void = () => undefined,
  ) {}

  /** @param secure performs the handshake of a TLS connection */
  accept(socket: Socket, secure?: SecureConnection): void {
    socket.on("error", () => undefined); // "close" follows
    if (this.isClosed || this.early.size >= maxConnectionsBeforeReady || !this.slots.takeSlot()) {
      if (!this.isClosed) this.onTooMany();
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    this.open.add(socket);
    socket.on("close", () => {
      this.slots.giveBack();
      this.open.delete(socket);
    });
    if (secure === undefined) this.admitSocket(socket, socket);
    else secure(socket, (secured) => this.admitSocket(secured, socket));
  }

  /** Passes the waiting connections, and all later ones, to their owners. */
  start(owners: ConnectionOwners): void {
    this.owners = owners;
    for (const [socket, accepted] of this.early) this.sniff(socket, accepted, owners);
    this.early.clear();
  }

  /** Ends the connections without an owner, and accepts no more. */
  close(): void {
    this.isClosed = true;
    for (const socket of this.open) socket.destroy();
  }

  private admitSocket(socket: Socket, accepted: Socket): void {
    if (this.isClosed) accepted.destroy();
    else if (this.owners !== undefined) this.sniff(socket, accepted, this.owners);
    else {
      this.early.set(socket, accepted);
      socket.once("close", () => this.early.delete(socket));
    }
  }

  private sniff(socket: Socket, accepted: Socket, owners: ConnectionOwners): void {
    const late = setTimeout(() => socket.destroy(), maxPrefaceMs);
    socket.once("close", () => clearTimeout(late));
    let seen = Buffer.alloc(0);
    const onReadable = (): void => {
      const bytes = socket.read() as Buffer | null;
      if (bytes !== null) seen = Buffer.concat([seen, bytes]);
      const isHttp2 = seen.subarray(0, preface.length).equals(preface.subarray(0, seen.length));
      if (isHttp2 && seen.length < preface.length) return; // the rest of the preface has not arrived
      socket.removeListener("readable", onReadable);
      if (!isHttp2 && (isTls(seen) || isOtherText(seen))) {
        if (isTls(seen)) this.onTls();
        socket.destroy();
        return;
      }
      clearTimeout(late);
      this.open.delete(accepted);
      const owner = isHttp2 ? owners.http2 : owners.http1;
      owner.serve(socket, seen);
    };
    socket.on("readable", onReadable);
  }
}

/** Whether the bytes are the beginning of a TLS handshake (RFC 8446 §5.1). */
const isTls = (seen: Buffer): boolean => seen[0] === 0x16 && (seen.length === 1 || seen[1] === 0x03);

/** Whether a whole line has arrived that is no HTTP/1 request (RFC 9112 §3): the client would not understand an HTTP answer. */
const isOtherText = (seen: Buffer): boolean => {
  const end = seen.indexOf("\r\n");
  return end >= 0 && !/ HTTP\/1\.\d$/.test(seen.toString("latin1", 0, end));
};

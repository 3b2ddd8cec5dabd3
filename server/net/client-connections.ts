import type { Socket } from "node:net";
import { ConnectionSlots } from "../resources/index.js";
import { maxClientConnections, maxConnectionsBeforeReady, maxPrefaceMs } from "../base/index.js";
import { http2Preface } from "./http2-frames.js";

const http1Answer =
  "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n" +
  "404 page not found: this port speaks gRPC (HTTP/2) only\n";

/** Serves an HTTP/2 connection, of which `seen` has been read. */
export type ServeConnection = (socket: Socket, seen: Buffer) => void;

/**
 * Takes accepted client connections, holds them until the member can answer, and hands those that speak
 * HTTP/2 on. One port will carry more than gRPC, so what a connection speaks is seen before anybody owns it.
 */
export class ClientConnections {
  /** All that are open. */
  private readonly open = new Set<Socket>();
  /** The connections that wait for the member. */
  private readonly early = new Set<Socket>();
  /** The connections that were handed on: the engine ends them. */
  private readonly served = new WeakSet<Socket>();
  private serve: ServeConnection | undefined;
  private closed = false;

  /**
   * @param slots shared with whoever else takes connections of clients
   * @param onTooMany a connection was closed at once, as there are too many
   */
  constructor(
    private readonly slots = new ConnectionSlots(() => maxClientConnections),
    private readonly onTooMany: () => void = () => undefined,
  ) {}

  accept(socket: Socket): void {
    socket.on("error", () => undefined); // "close" follows
    if (this.closed || this.early.size >= maxConnectionsBeforeReady || !this.slots.take()) {
      if (!this.closed) this.onTooMany();
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    this.open.add(socket);
    socket.on("close", () => {
      this.slots.giveBack();
      this.open.delete(socket);
      this.early.delete(socket);
    });
    if (this.serve === undefined) this.early.add(socket);
    else this.sniff(socket, this.serve);
  }

  /** The member is ready: serves those who waited and all that come. */
  start(serve: ServeConnection): void {
    this.serve = serve;
    for (const socket of this.early) this.sniff(socket, serve);
    this.early.clear();
  }

  /** Ends the connections that were not handed on, and takes no more. */
  close(): void {
    this.closed = true;
    for (const socket of this.open) if (!this.served.has(socket)) socket.destroy();
  }

  private sniff(socket: Socket, serve: ServeConnection): void {
    const late = setTimeout(() => socket.destroy(), maxPrefaceMs);
    socket.once("close", () => clearTimeout(late));
    let seen = Buffer.alloc(0);
    const onReadable = (): void => {
      const bytes = socket.read() as Buffer | null;
      if (bytes !== null) seen = Buffer.concat([seen, bytes]);
      const isHttp2 = seen.subarray(0, http2Preface.length).equals(http2Preface.subarray(0, seen.length));
      if (isHttp2 && seen.length < http2Preface.length) return; // the rest is still to come
      socket.removeListener("readable", onReadable);
      if (!isHttp2) {
        if (isOtherText(seen)) socket.destroy();
        else socket.end(http1Answer);
        return;
      }
      clearTimeout(late);
      this.served.add(socket);
      serve(socket, seen);
    };
    socket.on("readable", onReadable);
  }
}

/** Whether a whole line has come that is no request of HTTP/1 (RFC 9112 §3): nobody would understand an answer. */
const isOtherText = (seen: Buffer): boolean => {
  const end = seen.indexOf("\r\n");
  return end >= 0 && !/ HTTP\/1\.\d$/.test(seen.toString("latin1", 0, end));
};

import type { Socket } from "node:net";
import { ConnectionSlots } from "../descriptors.js";
import { maxClientConnections, maxConnectionsBeforeReady } from "../limits.js";
import { http2Preface, readOpening } from "./http2-opening.js";

/** A connection that says nothing for this long, or does not take its answer and leave, is closed. */
const silenceMs = 30_000;

const http1Answer =
  "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n" +
  "404 page not found: this port speaks gRPC (HTTP/2) only\n";

/**
 * Takes accepted client connections, holds them until the member can answer, and hands those that speak
 * HTTP/2 on. One port will carry more than gRPC, so what a connection speaks is seen before anybody owns it.
 */
export class ClientConnections {
  /** All that are open. */
  private readonly open = new Set<Socket>();
  /** Those that wait for the member. */
  private readonly early = new Set<Socket>();
  /** Those that were handed on: somebody else ends them. */
  private readonly served = new WeakSet<Socket>();
  private serve: ((connection: Socket) => void) | undefined;
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
  start(serve: (connection: Socket) => void): void {
    this.serve = serve;
    for (const socket of this.early) this.sniff(socket, serve);
    this.early.clear();
  }

  /** Ends the connections that were not handed on, and takes no more. */
  close(): void {
    this.closed = true;
    for (const socket of this.open) if (!this.served.has(socket)) socket.destroy();
  }

  private sniff(socket: Socket, serve: (connection: Socket) => void): void {
    socket.setTimeout(silenceMs, () => socket.destroy());
    let seen = Buffer.alloc(0);
    // "readable" and read(), not "data": with "data" the bytes given back by unshift never reach HTTP/2.
    const onReadable = (): void => {
      const bytes = socket.read() as Buffer | null;
      if (bytes !== null) seen = Buffer.concat([seen, bytes]);
      const isHttp2 = seen.subarray(0, http2Preface.length).equals(http2Preface.subarray(0, seen.length));
      if (isHttp2 && seen.length < http2Preface.length) return; // the rest is still to come
      socket.removeListener("readable", onReadable);
      socket.setTimeout(0);
      if (isHttp2) readOpening(socket, seen, (bytes) => this.handOn(socket, bytes, serve));
      else socket.end(http1Answer);
    };
    socket.on("readable", onReadable);
  }

  private handOn(socket: Socket, seen: Buffer, serve: (connection: Socket) => void): void {
    socket.unshift(seen);
    this.served.add(socket);
    serve(socket);
  }
}

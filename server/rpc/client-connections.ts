import type { Socket } from "node:net";
import { maxClientConnections, maxConnectionsBeforeReady } from "../limits.js";

/** How every HTTP/2 connection begins (RFC 9113 §3.4). */
const http2Preface = "PRI * HTTP/2.0";
/** A connection that says nothing for this long is closed. */
const silenceMs = 30_000;

const http1Answer =
  "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n" +
  "404 page not found: this port speaks gRPC (HTTP/2) only\n";

/**
 * Takes accepted client connections, holds them until the member can answer, and hands those that speak
 * HTTP/2 on. One port will carry more than gRPC, so what a connection speaks is seen before anybody owns it.
 */
export class ClientConnections {
  private readonly early = new Set<Socket>();
  private readonly open = new Set<Socket>();
  private serve: ((connection: Socket) => void) | undefined;

  accept(socket: Socket): void {
    socket.setNoDelay(true);
    socket.on("error", () => undefined); // "close" follows
    if (this.open.size >= maxClientConnections || this.early.size >= maxConnectionsBeforeReady) {
      socket.destroy();
      return;
    }
    this.open.add(socket);
    socket.on("close", () => {
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

  /** Ends connections that nobody serves. */
  close(): void {
    for (const socket of this.early) socket.destroy();
  }

  private sniff(socket: Socket, serve: (connection: Socket) => void): void {
    socket.setTimeout(silenceMs, () => socket.destroy());
    // "readable" and read(), not "data": with "data" the bytes given back by unshift never reach HTTP/2.
    const onReadable = (): void => {
      const bytes = socket.read() as Buffer | null;
      if (bytes === null) return;
      const isHttp2 = http2Preface.startsWith(bytes.toString("latin1", 0, http2Preface.length));
      if (isHttp2 && bytes.length < http2Preface.length) {
        socket.unshift(bytes); // the preface came in pieces: wait for the rest
        socket.once("readable", onReadable);
        return;
      }
      socket.setTimeout(0);
      if (!isHttp2) {
        socket.end(http1Answer);
        return;
      }
      socket.unshift(bytes);
      serve(socket);
    };
    socket.once("readable", onReadable);
  }
}

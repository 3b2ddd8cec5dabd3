import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../platform/index.js";
import { maxConnectionWithoutRequestMs, maxHttpRequestMs } from "../base/index.js";
import { type Page, textPage } from "./page.js";
import type { Pages } from "./pages.js";

/** A connection, and the end of the time that its client has. */
interface Connection {
  /** Requests that are being answered. */
  requests: number;
  stopTimer: () => void;
}

/** Header fields of every answer, as etcd's: pages of any origin may read it. */
const everyAnswer = {
  "Access-Control-Allow-Headers": "accept, content-type, authorization",
  "Access-Control-Allow-Methods": "POST, GET, OPTIONS, PUT, DELETE",
  "Access-Control-Allow-Origin": "*",
};

/**
 * Serves HTTP/1.1 on connections that somebody else accepted. A connection has `maxHttpRequestMs` to send its first request, and
 * `maxConnectionWithoutRequestMs` between two, however slowly it sends; then it is closed.
 */
export class HttpServer {
  private readonly server: Server;
  private readonly connections = new Map<Socket, Connection>();
  private isDraining = false;

  constructor(
    private readonly pages: Pages,
    private readonly clock: Clock,
  ) {
    this.server = createServer((request, response) => void this.answer(request, response));
    // Node's own timers need a server that listens; `until` has the bounds.
    this.server.keepAliveTimeout = 0;
  }

  /**
   * Serves a connection.
   *
   * @param seen what has been read of the socket
   */
  serve(socket: Socket, seen: Buffer): void {
    if (this.isDraining || socket.destroyed) {
      socket.destroy();
      return;
    }
    const connection: Connection = { requests: 0, stopTimer: this.until(socket, maxHttpRequestMs) };
    this.connections.set(socket, connection);
    socket.once("close", () => {
      connection.stopTimer();
      this.connections.delete(socket);
    });
    socket.unshift(seen);
    this.server.emit("connection", socket);
    socket.resume();
  }

  /** Closes connections once their requests are answered; those that have none at once. */
  drain(): void {
    this.isDraining = true;
    for (const [socket, { requests }] of this.connections) if (requests === 0) socket.destroy();
  }

  /** Ends all connections. */
  stop(): void {
    this.isDraining = true;
    for (const socket of this.connections.keys()) socket.destroy();
  }

  private until(socket: Socket, ms: number): () => void {
    return this.clock.after(ms, () => socket.destroy());
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    const connection = this.connections.get(socket);
    if (connection === undefined) return; // it has closed
    connection.requests++;
    connection.stopTimer();
    response.once("close", () => {
      connection.requests--;
      connection.stopTimer();
      if (socket.destroyed) return;
      if (this.isDraining) socket.end();
      connection.stopTimer = this.until(socket, this.isDraining ? maxHttpRequestMs : maxConnectionWithoutRequestMs);
    });
    send(response, await this.pageOf(request), this.isDraining);
  }

  private pageOf({ method = "", url = "", headers }: IncomingMessage): Page | Promise<Page> {
    if (!url.startsWith("/")) return textPage(404, "404 page not found"); // `*`, or a whole URL as a proxy is sent
    return this.pages(method, url, headers);
  }
}

const send = (response: ServerResponse, { status, contentType, fields, body }: Page, isLast: boolean): void => {
  response.writeHead(status, {
    ...everyAnswer,
    ...fields,
    ...(contentType === undefined ? {} : { "Content-Type": contentType }),
    ...(isLast ? { Connection: "close" } : {}),
    "Content-Length": Buffer.byteLength(body),
  });
  response.end(body);
};

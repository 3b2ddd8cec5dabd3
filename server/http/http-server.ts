import { createServer, IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../platform/index.js";
import { maxConnectionWithoutRequestMs, maxHttpRequestMs } from "../base/index.js";
import { type AccessRules, hostRefusal, openAccess, originFields } from "./access.js";
import type { Page } from "./page.js";
import type { Pages } from "./pages.js";
import { readTarget, redirectPage } from "./request-target.js";

/** A connection, and the end of the time that its client has. */
interface Connection {
  /** Requests that are being answered, or wait for those before them. */
  requests: number;
  /** Begins the answer of each request that was sent behind another one: one after the other, in order. */
  readonly waiting: (() => void)[];
  /** The answer of the newest request, until it has ended: only that request may still be on its way. */
  newest: ServerResponse | undefined;
  /** The status for what came behind the whole requests and is no HTTP; undefined: all was. */
  malformed: string | undefined;
  stopTimer: () => void;
}

/** The error of Node's parser, by its code. */
const statusOfParserError: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "413 Payload Too Large",
};

/** The most requests of one connection that may be under way or wait; one more closes it. */
const maxRequestsAtOnce = 1_000;

/** Serves the paths that are no pages: etcd's JSON gateway. */
export interface PathServer {
  /** Whether a path is one of its own. */
  serves(path: string): boolean;
  /** Answers a request. Header fields that are set already are sent with its own. */
  serve(request: IncomingMessage, response: ServerResponse, path: string): void;
  /** Whether a request asks for a WebSocket that `serveWebSocket` takes. Of any other upgrade nothing is known: it is ignored. */
  takesWebSocket(request: IncomingMessage): boolean;
  serveWebSocket(request: IncomingMessage, seen: Buffer, path: string): void;
  /** Waits until no request waits for its one answer, but no longer than this. */
  settle(patienceMs: number): Promise<void>;
  /** Lets such requests end for `graceMs`, then ends what is left, and the streams. */
  stop(graceMs: number): Promise<void>;
}

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
    private readonly access: AccessRules = openAccess,
    private readonly gateway?: PathServer,
  ) {
    const options = gateway === undefined ? {} : { IncomingMessage: upgradableBy(gateway) };
    this.server = createServer(options, (request, response) => this.take(request, response));
    if (gateway !== undefined)
      this.server.on("upgrade", (request, _socket, seen) => this.upgrade(request, seen, gateway));
    this.server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => this.onMalformed(error, socket));
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
    const stopTimer = this.until(socket, maxHttpRequestMs);
    const connection: Connection = { requests: 0, waiting: [], newest: undefined, malformed: undefined, stopTimer };
    this.connections.set(socket, connection);
    socket.once("close", () => {
      connection.stopTimer();
      this.connections.delete(socket);
    });
    socket.unshift(seen);
    this.server.emit("connection", socket);
    socket.resume();
  }

  /**
   * Closes connections once their requests are answered; those that have none at once.
   *
   * @returns when changes and reads under way are answered; `graceMs` is the longest time to wait for that
   */
  async drain(graceMs = 0): Promise<void> {
    this.isDraining = true;
    for (const [socket, { requests }] of this.connections) if (requests === 0) socket.destroy();
    await this.gateway?.settle(graceMs);
  }

  /** Drains, then ends the streams. */
  async finish(graceMs: number): Promise<void> {
    await this.drain(graceMs);
    await this.gateway?.stop(0);
  }

  /** Ends all connections. */
  stop(): void {
    this.isDraining = true;
    for (const socket of this.connections.keys()) socket.destroy();
  }

  private until(socket: Socket, ms: number): () => void {
    return this.clock.after(ms, () => socket.destroy());
  }

  /** Answers the requests of a connection one after the other, as etcd does: a client may send them together. */
  private take(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const connection = this.connections.get(socket);
    if (connection === undefined) return; // it has closed
    connection.requests++;
    if (connection.requests > maxRequestsAtOnce) {
      socket.destroy();
      return;
    }
    connection.stopTimer();
    connection.newest = response;
    response.once("close", () => {
      if (connection.newest === response) connection.newest = undefined;
      this.onAnswered(socket, connection);
    });
    const begin = (): void => void this.answer(request, response);
    if (connection.requests === 1) begin();
    else connection.waiting.push(begin);
  }

  private onAnswered(socket: Socket, connection: Connection): void {
    connection.requests--;
    connection.stopTimer();
    if (socket.destroyed) return;
    if (connection.malformed !== undefined && !hasWholeRequests(connection)) {
      this.refuse(socket, connection, connection.malformed);
      return;
    }
    if (this.isDraining) socket.end();
    const next = this.isDraining ? undefined : connection.waiting.shift();
    if (next !== undefined) next();
    else connection.stopTimer = this.until(socket, this.isDraining ? maxHttpRequestMs : maxConnectionWithoutRequestMs);
  }

  /**
   * Refuses what is no HTTP, and closes the connection. The requests before it are answered first, as in etcd: Node's own refusal would
   * stand in the place of their answers.
   */
  private onMalformed({ code = "" }: NodeJS.ErrnoException, socket: Socket): void {
    const connection = this.connections.get(socket);
    if (connection?.malformed !== undefined) return; // more of the same
    if (connection === undefined || !socket.writable) {
      socket.destroy();
      return;
    }
    connection.malformed = statusOfParserError[code] ?? "400 Bad Request";
    if (!hasWholeRequests(connection)) this.refuse(socket, connection, connection.malformed);
  }

  /** Closes a connection with a status; without one if a part of an answer has been sent. */
  private refuse(socket: Socket, connection: Connection, status: string): void {
    connection.stopTimer();
    connection.stopTimer = this.until(socket, maxHttpRequestMs);
    const isBegun = connection.newest?.headersSent === true;
    const head = `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n`;
    socket.end(isBegun ? "" : head + status, () => socket.destroy());
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { headers, method = "", url = "" } = request;
    if (method === "OPTIONS" && url === "*") {
      this.send(response, {}, { status: 200, body: "" });
      return;
    }
    const fields = originFields(this.access, headers.origin);
    if (url === "*") {
      this.send(response, fields, badTarget);
      return;
    }
    const target = readTarget(url);
    if (target === undefined) {
      const connection = this.connections.get(request.socket);
      if (connection !== undefined) this.refuse(request.socket, connection, "400 Bad Request");
      return;
    }
    const refusal = this.refusal(request, target.host);
    if (refusal !== undefined) this.send(response, {}, refusal);
    else if (method !== "OPTIONS" && method !== "CONNECT" && target.redirect !== undefined)
      this.send(response, fields, redirectPage(method, target.redirect, target.query));
    else if (method !== "OPTIONS" && this.gateway?.serves(target.path) === true) {
      for (const [name, value] of Object.entries(fields)) response.setHeader(name, value);
      if (this.isDraining) response.setHeader("Connection", "close");
      this.gateway.serve(request, response, target.path);
    } else this.send(response, fields, await this.pages(method, target.path + target.query, headers));
  }

  /** Hands a connection to the gateway, which ends it. */
  private upgrade(request: IncomingMessage, seen: Buffer, gateway: PathServer): void {
    const { socket, url = "" } = request;
    const connection = this.connections.get(socket);
    const target = readTarget(url);
    const isRefused = target === undefined || this.refusal(request, target.host) !== undefined;
    if (connection === undefined || this.isDraining || isRefused) {
      socket.destroy();
      return;
    }
    connection.stopTimer();
    connection.requests++;
    gateway.serveWebSocket(request, seen, target.path);
  }

  /** Refuses a request for a host that is not listed. Over TLS every host is served, as in etcd: the certificate proves the name. */
  private refusal({ socket, headers }: IncomingMessage, host = headers.host): Page | undefined {
    return "encrypted" in socket ? undefined : hostRefusal(this.access, host);
  }

  private send(response: ServerResponse, fields: Readonly<Record<string, string>>, page: Page): void {
    const { status, contentType, body } = page;
    response.writeHead(status, {
      ...fields,
      ...page.fields,
      ...(contentType === undefined ? {} : { "Content-Type": contentType }),
      ...(this.isDraining ? { Connection: "close" } : {}),
      "Content-Length": Buffer.byteLength(body),
    });
    response.end(body);
  }
}

/** The answer to the target `*` of another method than OPTIONS. */
const badTarget: Page = { status: 400, fields: { Connection: "close" }, body: "" };

/** Whether requests wait for their answer that have come as a whole. */
const hasWholeRequests = ({ requests, newest }: Connection): boolean =>
  requests > (newest === undefined || newest.req.complete ? 0 : 1);

/** Makes the class of requests that are upgraded only if the gateway takes them. Node upgrades all, or none, otherwise. */
const upgradableBy = (gateway: PathServer): typeof IncomingMessage =>
  class extends IncomingMessage {
    private asks = false;

    set upgrade(asks: boolean) {
      this.asks = asks;
    }

    get upgrade(): boolean {
      return this.asks && gateway.takesWebSocket(this);
    }
  };

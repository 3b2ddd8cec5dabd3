import { createServer, IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../platform/index.js";
import { maxConnectionWithoutRequestMs, maxHttpRequestMs } from "../base/index.js";
import { type AccessRules, hostRefusal, openAccess, originFields } from "./access.js";
import type { Page } from "./page.js";
import type { Pages } from "./pages.js";
import { readTarget, redirectPage } from "./request-target.js";

/** The state of a connection. */
interface Connection {
  /** The number of requests that are being answered or wait. */
  requests: number;
  /** Begins the answers of the waiting requests, in order: one request is answered at a time. */
  readonly waiting: (() => void)[];
  /** The answer to the newest request, until its end: only the newest request may be incomplete. */
  newest: ServerResponse | undefined;
  /** The status for invalid bytes behind the complete requests; undefined: there are none. */
  malformed: string | undefined;
  stopTimer: () => void;
}

/** The status for an error of Node's parser, by its code. */
const statusOfParserError: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "413 Payload Too Large",
};

/** The maximum number of requests of a connection that are being answered or wait; one more closes it. */
const maxRequestsAtOnce = 1_000;

/** Serves the paths that are no pages: etcd's JSON gateway. */
export interface PathServer {
  /** Whether a path belongs to this server. */
  hasRoute(path: string): boolean;
  /** Answers a request. Header fields that are already set are sent with the answer. */
  serve(request: IncomingMessage, response: ServerResponse, path: string): void;
  /** Whether a request is one for a WebSocket that `serveWebSocket` accepts. Any other upgrade is ignored. */
  shouldOpenWebSocket(request: IncomingMessage): boolean;
  serveWebSocket(request: IncomingMessage, seen: Buffer, path: string): void;
  /** Waits until no unary call is in progress, for `timeoutMs` at most. */
  whenIdle(timeoutMs: number): Promise<void>;
  /** Waits up to `graceMs` for unary calls, then ends the remaining calls and the streams. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Serves HTTP/1.1 on accepted connections. A connection has `maxHttpRequestMs` to send its first request, and
 * `maxConnectionWithoutRequestMs` between two, at whatever rate it sends; then it is closed.
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
    this.server = createServer(options, (request, response) => this.queueRequest(request, response));
    if (gateway !== undefined)
      this.server.on("upgrade", (request, _socket, seen) => this.upgrade(request, seen, gateway));
    this.server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => this.onMalformed(error, socket));
    // Node's own timers work only on a listening server; `destroyAfter` sets the limits.
    this.server.keepAliveTimeout = 0;
  }

  /**
   * Serves a connection.
   *
   * @param seen the bytes that were read from the socket already
   */
  serve(socket: Socket, seen: Buffer): void {
    if (this.isDraining || socket.destroyed) {
      socket.destroy();
      return;
    }
    const stopTimer = this.destroyAfter(socket, maxHttpRequestMs);
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
   * Closes each connection when its requests are answered; a connection without requests at once.
   *
   * @returns when the unary calls in progress are answered, after `graceMs` at the latest
   */
  async drain(graceMs = 0): Promise<void> {
    this.isDraining = true;
    for (const [socket, { requests }] of this.connections) if (requests === 0) socket.destroy();
    await this.gateway?.whenIdle(graceMs);
  }

  /** Drains, then ends the streams. */
  async drainAndEnd(graceMs: number): Promise<void> {
    await this.drain(graceMs);
    await this.gateway?.stop(0);
  }

  /** Ends all connections. */
  stop(): void {
    this.isDraining = true;
    for (const socket of this.connections.keys()) socket.destroy();
  }

  private destroyAfter(socket: Socket, ms: number): () => void {
    return this.clock.after(ms, () => socket.destroy());
  }

  /** Answers the requests of a connection one after the other, as etcd does: a client may pipeline them. */
  private queueRequest(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const connection = this.connections.get(socket);
    if (connection === undefined) return; // closed meanwhile
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
    else
      connection.stopTimer = this.destroyAfter(
        socket,
        this.isDraining ? maxHttpRequestMs : maxConnectionWithoutRequestMs,
      );
  }

  /**
   * Refuses invalid bytes, and closes the connection. The requests before them are answered first, as in etcd: Node's own
   * refusal would be sent before their answers.
   */
  private onMalformed({ code = "" }: NodeJS.ErrnoException, socket: Socket): void {
    const connection = this.connections.get(socket);
    if (connection?.malformed !== undefined) return; // a further error in the same bytes
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
    connection.stopTimer = this.destroyAfter(socket, maxHttpRequestMs);
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
    else if (method !== "OPTIONS" && this.gateway?.hasRoute(target.path) === true) {
      for (const [name, value] of Object.entries(fields)) response.setHeader(name, value);
      if (this.isDraining) response.setHeader("Connection", "close");
      this.gateway.serve(request, response, target.path);
    } else this.send(response, fields, await this.pages(method, target.path + target.query, headers));
  }

  /** Passes a connection to the gateway, which ends it. */
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

  /**
   * Refuses a request for a host that is not allowed. Over TLS every host is served, as in etcd: the certificate authenticates
   * the name.
   */
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

/** The answer to the target `*` with a method other than OPTIONS. */
const badTarget: Page = { status: 400, fields: { Connection: "close" }, body: "" };

/** Whether complete requests wait for their answers. */
const hasWholeRequests = ({ requests, newest }: Connection): boolean =>
  requests > (newest === undefined || newest.req.complete ? 0 : 1);

/**
 * Returns the class of requests that are upgraded only if the gateway accepts them. Otherwise Node upgrades all requests, or
 * none.
 */
const upgradableBy = (gateway: PathServer): typeof IncomingMessage =>
  class extends IncomingMessage {
    private asksForUpgrade = false;

    set upgrade(asks: boolean) {
      this.asksForUpgrade = asks;
    }

    get upgrade(): boolean {
      return this.asksForUpgrade && gateway.shouldOpenWebSocket(this);
    }
  };

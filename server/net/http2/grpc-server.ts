import type { AnswerAccount } from "../../base/index.js";
import type { Socket } from "node:net";
import type { Clock } from "../../../platform/index.js";
import { statusCode, type GrpcStatus, type Method } from "../../rpc/index.js";
import { CallContext } from "./call-context.js";
import {
  ServerConnection,
  connectionSweepMs,
  type ConnectionLimits,
  type PingChecker,
  type SharedParts,
} from "./connection.js";
import { FlushQueue } from "./flush-queue.js";
import { GrpcService } from "./grpc-service.js";
import { drainCheckMs, maxStreams } from "./limits.js";
import { LiteralCache } from "./literal-cache.js";
import { ChunkPool } from "./output.js";

/** Settings of a server. */
export interface GrpcServerOptions {
  readonly methods: readonly Method[];
  /** The maximum size of a request; a larger one ends in RESOURCE_EXHAUSTED. */
  readonly maxRequestBytes: number;
  /** The maximum number of concurrent streams of a connection; a further one is refused. Absent: `maxStreams`. */
  readonly maxConcurrentStreams?: number | undefined;
  readonly withoutRequestMs: number;
  readonly keepAlive: ConnectionLimits["keepAlive"];
  readonly clock: Clock;
}

const serverStopped: GrpcStatus = { code: statusCode.unavailable, details: "etcdserver: server stopped" };

/** Serves gRPC on accepted sockets. */
export class GrpcServer {
  private readonly context: CallContext;
  private readonly service: GrpcService;
  private readonly parts: SharedParts;
  private readonly limits: ConnectionLimits;
  private isDraining = false;
  private stopSweeping: (() => void) | undefined;

  /** @param onUnexpectedError called with failures that no client can cause */
  constructor(
    private readonly options: GrpcServerOptions,
    onUnexpectedError: (error: unknown) => void,
  ) {
    const { methods, maxRequestBytes, clock, withoutRequestMs, keepAlive } = options;
    this.context = new CallContext(methods, maxRequestBytes, clock, onUnexpectedError);
    this.service = new GrpcService(this.context);
    this.parts = { clock, literals: new LiteralCache(), chunks: new ChunkPool(), flushes: new FlushQueue() };
    this.limits = {
      maxStreams: Math.min(options.maxConcurrentStreams ?? maxStreams, maxStreams),
      withoutRequestMs,
      keepAlive,
    };
  }

  /**
   * Serves a connection.
   *
   * @param seen the bytes that were read from the socket already
   */
  serve(socket: Socket, seen: Buffer, account: AnswerAccount, pings: PingChecker): void {
    if (this.isDraining || socket.destroyed) {
      socket.destroy();
      return;
    }
    this.stopSweeping ??= this.options.clock.every(connectionSweepMs, () => this.sweep());
    const connection = new ServerConnection(socket, this.service, this.parts, account, pings, this.limits);
    this.service.connections.add(connection);
    connection.start(seen);
  }

  /** Sends GOAWAY on all connections. @returns when the calls in progress have ended, after `graceMs` at the latest */
  drain(graceMs: number): Promise<void> {
    this.isDraining = true;
    for (const connection of [...this.service.connections]) connection.drain();
    return this.context.calls.whenNone(graceMs);
  }

  /**
   * Drains, waits up to `graceMs` for calls in progress, then ends the remaining calls and the streams. Clients that keep
   * reading their last answers have another `graceMs` for that.
   */
  async stop(graceMs: number): Promise<void> {
    await this.drain(graceMs);
    this.service.endAll(serverStopped);
    const connections = [...this.service.connections];
    const stopTimer = this.destroyWhenSent(connections, graceMs);
    await Promise.all(connections.map(({ socket }) => whenClosed(socket)));
    stopTimer();
    this.stopSweeping?.();
    this.stopSweeping = undefined;
    this.context.deadlines.stop();
  }

  /** Ends connections whose clients read no more, and all of them after `graceMs`. @returns a function that stops the checks */
  private destroyWhenSent(connections: readonly ServerConnection[], graceMs: number): () => void {
    const untaken = new Map(connections.map((connection) => [connection, connection.writer.untakenBytes]));
    let elapsedMs = 0;
    return this.options.clock.every(drainCheckMs, () => {
      elapsedMs += drainCheckMs;
      for (const [connection, before] of untaken) {
        const left = connection.writer.untakenBytes;
        untaken.set(connection, left);
        if (left === 0 || left === before || elapsedMs >= graceMs) connection.socket.destroy();
      }
    });
  }

  private sweep(): void {
    const now = this.options.clock.now();
    for (const connection of [...this.service.connections]) connection.sweep(now);
  }
}

/** Not `once` of node:events, which would reject on a connection error. */
const whenClosed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });

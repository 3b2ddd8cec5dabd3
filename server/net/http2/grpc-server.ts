import type { Socket } from "node:net";
import type { Clock } from "../../../platform/index.js";
import { statusCode, type GrpcStatus, type Method } from "../../rpc/index.js";
import { CallContext } from "./call-context.js";
import { ServerConnection, sweepMs, type ConnectionLimits, type PingJudge, type SharedParts } from "./connection.js";
import { FlushQueue } from "./flush-queue.js";
import { GrpcService } from "./grpc-service.js";
import { maxStreams } from "./limits.js";
import { LiteralCache } from "./literal-cache.js";
import { ChunkPool } from "./output.js";
import type { AnswerAccount } from "./writer.js";

/** Settings of a server. */
export interface GrpcServerOptions {
  readonly methods: readonly Method[];
  /** Larger requests are RESOURCE_EXHAUSTED. */
  readonly maxRequestBytes: number;
  /** Streams at a time on a connection; one more is refused. Absent: `maxStreams`. */
  readonly maxConcurrentStreams?: number | undefined;
  readonly withoutRequestMs: number;
  readonly keepAlive: ConnectionLimits["keepAlive"];
  readonly clock: Clock;
}

/** The time in which, at a stop, a client has to take something of its last answers, and to close once it has all of them. */
const drainCheckMs = 500;
const serverStopped: GrpcStatus = { code: statusCode.unavailable, details: "etcdserver: server stopped" };

/** Serves gRPC over sockets that somebody else accepted. */
export class GrpcServer {
  private readonly context: CallContext;
  private readonly service: GrpcService;
  private readonly parts: SharedParts;
  private readonly limits: ConnectionLimits;
  private isDraining = false;
  private stopSweeping: (() => void) | undefined;

  /** @param onUnexpectedError is told of failures that no client can cause */
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
   * @param seen what has been read of the socket
   */
  serve(socket: Socket, seen: Buffer, account: AnswerAccount, pings: PingJudge): void {
    if (this.isDraining || socket.destroyed) {
      socket.destroy();
      return;
    }
    this.stopSweeping ??= this.options.clock.every(sweepMs, () => this.sweep());
    const connection = new ServerConnection(socket, this.service, this.parts, account, pings, this.limits);
    this.service.connections.add(connection);
    connection.start(seen);
  }

  /** Says goodbye on all connections. @returns when calls under way have ended, or `graceMs` are over */
  drain(graceMs: number): Promise<void> {
    this.isDraining = true;
    for (const connection of [...this.service.connections]) connection.drain();
    return this.context.calls.whenNone(graceMs);
  }

  /**
   * Drains, lets calls under way end for `graceMs`, then ends what is left, and the streams. Clients that go on taking their last
   * answers have `graceMs` for that.
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

  /** Ends connections whose clients take nothing more, and after `graceMs` all of them. @returns a function that stops doing so */
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

/** Not `once`, which would take a connection that breaks for a failure to stop. */
const whenClosed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });

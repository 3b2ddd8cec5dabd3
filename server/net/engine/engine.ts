import type { Socket } from "node:net";
import type { Clock } from "../../../platform/index.js";
import type { Method } from "../../rpc/index.js";
import type { UntakenAnswers } from "./untaken-answers.js";

/** Rules for the client of a connection. */
export interface ConnectionRules {
  /** The time until the first request. Default: `maxConnectionWithoutRequestMs`. */
  readonly withoutRequestMs?: number | undefined;
  /** The minimum interval of its pings while a call is open. Default: 5 s. */
  readonly minPingIntervalMs?: number | undefined;
  /** The interval of pings to the client; undefined: none. */
  readonly keepAliveMs?: number | undefined;
  /** The time for the answer to such a ping. Default: 20 s. */
  readonly keepAliveTimeoutMs?: number | undefined;
}

/** Settings of an engine. */
export interface EngineOptions {
  readonly methods: readonly Method[];
  /** The maximum size of a request; a larger one ends in RESOURCE_EXHAUSTED. */
  readonly maxRequestBytes: number;
  /**
   * The maximum number of concurrent calls and streams of a connection; a further one waits at the client, or is refused.
   * Absent: no bound.
   */
  readonly maxConcurrentStreams?: number | undefined;
  /** Rules for the client of each connection. */
  readonly rules?: ConnectionRules;
  readonly onUnexpectedError: (error: unknown) => void;
  readonly untaken: UntakenAnswers;
  readonly clock: Clock;
}

/** Serves the methods of a table on accepted connections. */
export interface Engine {
  /**
   * Serves an HTTP/2 connection.
   *
   * @param seen the bytes that were read from the socket already: the preface, and perhaps more
   */
  serve(socket: Socket, seen: Buffer): void;
  /**
   * Sends GOAWAY: no new call begins, calls and streams in progress continue. May be called twice.
   *
   * @returns when the calls in progress have ended, after `graceMs` at the latest
   */
  drain(graceMs: number): Promise<void>;
  /** Drains, waits up to `graceMs` for calls in progress, then ends the remaining calls and the streams. */
  stop(graceMs: number): Promise<void>;
}

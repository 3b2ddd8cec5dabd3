import type { Socket } from "node:net";
import type { Clock } from "../../platform/index.js";
import type { Method } from "../rpc/index.js";
import type { ConnectionRules } from "./http2-connection.js";
import type { UntakenAnswers } from "./untaken-answers.js";

/** Settings of an engine. */
export interface EngineOptions {
  readonly methods: readonly Method[];
  /** Larger requests are RESOURCE_EXHAUSTED. */
  readonly maxRequestBytes: number;
  /** Calls and streams at a time on a connection; one more waits at the client, or is refused. Absent: no bound. */
  readonly maxConcurrentStreams?: number | undefined;
  /** Rules for the client of each connection. */
  readonly rules?: ConnectionRules;
  readonly onUnexpectedError: (error: unknown) => void;
  readonly untaken: UntakenAnswers;
  readonly clock: Clock;
}

/** Carries a method table over connections that somebody else accepted. */
export interface Engine {
  /**
   * Serves an HTTP/2 connection.
   *
   * @param seen what has been read of the socket: the preface, and perhaps more
   */
  serve(socket: Socket, seen: Buffer): void;
  /**
   * Says goodbye (GOAWAY): no call begins any more, those under way go on, and so do streams. May be called twice.
   *
   * @returns when calls under way have ended; `graceMs` is the longest time to wait for that
   */
  drain(graceMs: number): Promise<void>;
  /** Drains, lets calls under way end for `graceMs`, then ends what is left, and the streams. */
  stop(graceMs: number): Promise<void>;
}

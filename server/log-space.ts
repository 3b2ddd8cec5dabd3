import type { Clock } from "../raft/index.js";
import type { Logger } from "./logger.js";

/** How often space is looked for while there is none. */
const retryMs = 1_000;

export interface LogSpaceOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where the log is, for the log line. */
  readonly directory: string;
  /** Tries again to make the next part of the log. */
  readonly retry: () => void;
}

/**
 * Whether the log has a place to go on. A full disk is no failure: this member's clients may write nothing until there
 * is space again, and go on reading. What other members forward to it as their leader it still takes: with its own
 * copy waiting, the others can be a majority.
 */
export class LogSpace {
  private stopRetrying: (() => void) | undefined;

  constructor(private readonly options: LogSpaceOptions) {}

  get isFull(): boolean {
    return this.stopRetrying !== undefined;
  }

  /** The log ran out of space, or found some. */
  changed(full: boolean): void {
    if (full === this.isFull) return;
    const { clock, logger, directory, retry } = this.options;
    if (full) {
      logger.error("no space for the write-ahead log: writes are refused until there is some", { directory });
      this.stopRetrying = clock.every(retryMs, retry);
    } else {
      logger.info("there is space for the write-ahead log again: writes go on", { directory });
      this.stop();
    }
  }

  stop(): void {
    this.stopRetrying?.();
    this.stopRetrying = undefined;
  }
}

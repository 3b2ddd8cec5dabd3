import type { Clock } from "../raft/index.js";
import type { Logger } from "./logger.js";

/** How often space is looked for while there is none. */
const retryMs = 1_000;
/** So many of these later, leadership is handed over again, should it have come back; if all disks are full it wanders. */
const handOverRetries = 30;

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
 * is space again, and go on reading. If it leads it hands over; what other members forward to it until then it takes: with
 * its own copy waiting, the others can be a majority.
 */
export class LogSpace {
  private stopRetrying: (() => void) | undefined;
  private retries = 0;
  private handOver: () => void = () => undefined;

  constructor(private readonly options: LogSpaceOptions) {}

  get isFull(): boolean {
    return this.stopRetrying !== undefined;
  }

  /** Calls `handOver` when there is no space: whoever leads should be able to write. Again after a while, until there is. */
  whenFull(handOver: () => void): void {
    this.handOver = handOver;
    if (this.isFull) handOver();
  }

  /** The log ran out of space, or found some. */
  changed(full: boolean): void {
    if (full === this.isFull) return;
    const { clock, logger, directory } = this.options;
    if (full) {
      logger.error("no space for the write-ahead log: writes are refused until there is some", { directory });
      this.retries = 0;
      this.stopRetrying = clock.every(retryMs, () => this.tryAgain());
      this.handOver();
    } else {
      logger.info("there is space for the write-ahead log again: writes go on", { directory });
      this.stop();
    }
  }

  private tryAgain(): void {
    this.options.retry();
    this.retries += 1;
    if (this.isFull && this.retries % handOverRetries === 0) this.handOver();
  }

  stop(): void {
    this.stopRetrying?.();
    this.stopRetrying = undefined;
  }
}

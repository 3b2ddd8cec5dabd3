import type { Clock } from "../../platform/index.js";
import type { Shortage } from "../../raft/index.js";
import type { Logger } from "../base/index.js";

/** How often space, or file descriptors, are looked for while there are none. */
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

const messages = {
  space: {
    full: "no space for the write-ahead log: writes are refused until there is some",
    again: "there is space for the write-ahead log again: writes go on",
  },
  descriptors: {
    full: "no file descriptors for the write-ahead log: writes are refused until there are some",
    again: "there are file descriptors for the write-ahead log again: writes go on",
  },
} satisfies Record<Shortage, object>;

/**
 * Whether the log has a place to go on. A full disk is no failure, and neither is a process or a system without file
 * descriptors: this member's clients may write nothing until there are some again, and go on reading. If it leads it hands over; what other members forward to it until then it takes: with
 * its own copy waiting, the others can be a majority.
 */
export class LogSpace {
  private stopRetrying: (() => void) | undefined;
  private retries = 0;
  private lacks: Shortage | undefined;
  private handOver: () => void = () => undefined;

  constructor(private readonly options: LogSpaceOptions) {}

  get isFull(): boolean {
    return this.lacks !== undefined;
  }

  /** The resource that the log lacks; undefined: none. */
  get shortage(): Shortage | undefined {
    return this.lacks;
  }

  /** Calls `handOver` when there is no space: whoever leads should be able to write. Again after a while, until there is. */
  whenFull(handOver: () => void): void {
    this.handOver = handOver;
    if (this.isFull) handOver();
  }

  /** The log ran out of something, or found some. */
  changed(full: boolean, shortage: Shortage): void {
    if (full === this.isFull) return;
    const { clock, logger, directory } = this.options;
    if (full) {
      logger.error(messages[shortage].full, { directory });
      this.lacks = shortage;
      this.retries = 0;
      this.stopRetrying = clock.every(retryMs, () => this.tryAgain());
      this.handOver();
    } else {
      logger.info(messages[this.lacks ?? shortage].again, { directory });
      this.lacks = undefined;
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

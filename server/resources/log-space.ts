import type { Clock } from "../../platform/index.js";
import type { Shortage } from "../../raft/index.js";
import type { Logger } from "../base/index.js";

/** The time between two attempts to make the next part of the log, in milliseconds. */
const retryMs = 1_000;
/** The attempts after which leadership is handed over again, should it have come back; if all disks are full it wanders. */
const transferRetries = 30;

/** The options of `LogSpace`. */
export interface LogSpaceOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The directory of the log, for the log lines. */
  readonly directory: string;
}

/** A log that waits for space; `Wal` implements it. */
export interface WaitingLog {
  /** Tries again to make the next part of the log. */
  retryNextSegment(): void;
}

/** A member that can give up leadership; `Replica` implements it. */
export interface LeadingMember {
  /** Has another member lead, if this one does. */
  transferLeadership(): Promise<void>;
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
 * Tells whether there is space for the log. A full disk is no failure, and neither is a process or a system without file
 * descriptors: until there are some again this member's clients may only read. If it leads, it transfers leadership; it still
 * takes what other members forward until then, as the others can be a majority while its own copy waits.
 */
export class LogSpace {
  private stopRetrying: (() => void) | undefined;
  private retries = 0;
  private lacks: Shortage | undefined;
  private log: WaitingLog | undefined;
  private leadership: LeadingMember | undefined;

  constructor(private readonly options: LogSpaceOptions) {}

  get isFull(): boolean {
    return this.lacks !== undefined;
  }

  /** The resource that the log lacks; undefined: none. */
  get shortage(): Shortage | undefined {
    return this.lacks;
  }

  /** Retries on `log` while there is a shortage. */
  watchLog(log: WaitingLog): void {
    this.log = log;
  }

  /** Transfers leadership when there is a shortage, as a leader should be able to write, and again after a while. */
  watchLeadership(leadership: LeadingMember): void {
    this.leadership = leadership;
    if (this.isFull) this.transferLeadership();
  }

  /** Handles the beginning or end of a shortage. */
  onFull(full: boolean, shortage: Shortage): void {
    if (full === this.isFull) return;
    const { clock, logger, directory } = this.options;
    if (full) {
      logger.error(messages[shortage].full, { directory });
      this.lacks = shortage;
      this.retries = 0;
      this.stopRetrying = clock.every(retryMs, () => this.tryAgain());
      this.transferLeadership();
    } else {
      logger.info(messages[this.lacks ?? shortage].again, { directory });
      this.lacks = undefined;
      this.stop();
    }
  }

  private tryAgain(): void {
    this.log?.retryNextSegment();
    this.retries += 1;
    if (this.isFull && this.retries % transferRetries === 0) this.transferLeadership();
  }

  private transferLeadership(): void {
    void this.leadership?.transferLeadership();
  }

  /** Ends the retries. */
  stop(): void {
    this.stopRetrying?.();
    this.stopRetrying = undefined;
  }
}

import type { Clock } from "../../platform/index.js";
import type { Shortage } from "../../raft/index.js";
import type { Logger } from "../base/index.js";

/** The interval of attempts to create the next segment of the log, in milliseconds. */
const retryMs = 1_000;
/**
 * The number of attempts after which a member that leads again transfers the leadership again; if all disks are full, each new
 * leader transfers the leadership again.
 */
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
  /** Tries again to create the next segment. */
  retryNextSegment(): void;
}

/** A member that can transfer the leadership; `Replica` implements it. */
export interface LeadingMember {
  /** Transfers the leadership, if this member leads. */
  transferLeadership(): Promise<void>;
}

const messages = {
  space: {
    full: "no space for the write-ahead log: writes are refused until there is some",
    again: "there is space for the write-ahead log again: writes continue",
  },
  descriptors: {
    full: "no file descriptors for the write-ahead log: writes are refused until there are some",
    again: "there are file descriptors for the write-ahead log again: writes continue",
  },
} satisfies Record<Shortage, object>;

/**
 * Watches the disk space of the log. A shortage, also of file descriptors, is no failure: until its end this member's clients
 * may only read. If it leads, it transfers the leadership; until then it accepts forwarded proposals, as the others can be a
 * majority while its own copy waits.
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

  /** Transfers the leadership at a shortage, as a leader should be able to write, and again every `transferRetries` attempts. */
  watchLeadership(leadership: LeadingMember): void {
    this.leadership = leadership;
    if (this.isFull) this.transferLeadership();
  }

  /** Called at the beginning and the end of a shortage. */
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

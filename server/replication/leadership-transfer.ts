import type { Clock } from "../../platform/index.js";
import { noMember, type CoreStatus, type MemberId } from "../../raft/index.js";
import { formatId, type Logger } from "../base/index.js";

export interface LeadershipTransferOptions {
  readonly self: MemberId;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly status: () => CoreStatus;
  /** Asks consensus to hand over, undefined: to whoever holds most; `ended` must follow, unless consensus has stopped. */
  readonly begin: (to: MemberId | undefined) => void;
}

/** Hands leadership over to another member (Raft thesis §3.10). What is asked for at the same time ends at the same time. */
export class LeadershipTransfer {
  private waiting: ((leader: MemberId) => void)[] = [];
  private beganAt = 0;
  private stopped = false;

  constructor(private readonly options: LeadershipTransferOptions) {}

  /**
   * Hands over, if this member leads. Until that has ended proposals wait; it takes an election timeout at most.
   *
   * @param to undefined: who holds most of the log
   * @param ended takes who leads then; `noMember`: nobody as far as this member knows
   */
  begin(to: MemberId | undefined, ended: (leader: MemberId) => void): void {
    const { self, clock, logger, begin } = this.options;
    if (this.stopped) {
      ended(noMember);
      return;
    }
    this.waiting.push(ended);
    if (this.waiting.length === 1) this.beganAt = clock.now();
    logger.info("leadership transfer starting", { from: self, ...(to === undefined ? {} : { to }) });
    begin(to);
  }

  /** Consensus says that somebody else leads, or that nothing came of it. */
  ended(ok: boolean): void {
    const { clock, logger, status } = this.options;
    const { leader } = status();
    const took = `${Math.round(clock.now() - this.beganAt)}ms`;
    if (ok) logger.info("leadership transfer finished", { leader: formatId(leader), took });
    else logger.warn("leadership transfer failed", { leader: formatId(leader), took });
    this.settle(leader);
  }

  stop(): void {
    this.stopped = true;
    this.settle(noMember);
  }

  private settle(leader: MemberId): void {
    for (const ended of this.waiting.splice(0)) ended(leader);
  }
}

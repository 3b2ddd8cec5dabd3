import type { Clock } from "../../platform/index.js";
import { noMember, type MemberId, type RaftNode } from "../../raft/index.js";
import { formatId, type Logger } from "../base/index.js";

/** The options of `LeadershipTransfer`. */
export interface LeadershipTransferOptions {
  readonly self: MemberId;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Transfers leadership to another member (Raft thesis §3.10). Concurrent transfers end together. */
export class LeadershipTransfer {
  private waiting: ((leader: MemberId) => void)[] = [];
  private beganAt = 0;
  private isStopped = false;

  /** @param node consensus, which carries out the transfer and calls `onEnded` unless it has stopped */
  constructor(
    private readonly options: LeadershipTransferOptions,
    private readonly node: Pick<RaftNode, "status" | "transferLeadership">,
  ) {}

  /**
   * Starts a transfer, if this member leads. Proposals wait until its end, for an election timeout at most.
   *
   * @param to the transferee; undefined: the follower with the longest log
   * @param onEnded called with the leader at the end; `noMember` if this member knows none
   */
  beginTransfer(to: MemberId | undefined, onEnded: (leader: MemberId) => void): void {
    const { self, clock, logger } = this.options;
    if (this.isStopped) {
      onEnded(noMember);
      return;
    }
    this.waiting.push(onEnded);
    if (this.waiting.length === 1) this.beganAt = clock.now();
    logger.info("leadership transfer starting", { from: self, ...(to === undefined ? {} : { to }) });
    this.node.transferLeadership(to);
  }

  /** Called at the end of all transfers; `ok`: the transferee leads. */
  onEnded(ok: boolean): void {
    const { clock, logger } = this.options;
    const { leader } = this.node.status();
    const took = `${Math.round(clock.now() - this.beganAt)}ms`;
    if (ok) logger.info("leadership transfer finished", { leader: formatId(leader), took });
    else logger.warn("leadership transfer failed", { leader: formatId(leader), took });
    this.endTransfer(leader);
  }

  /** Ends all transfers. */
  stop(): void {
    this.isStopped = true;
    this.endTransfer(noMember);
  }

  private endTransfer(leader: MemberId): void {
    for (const onEnded of this.waiting.splice(0)) onEnded(leader);
  }
}

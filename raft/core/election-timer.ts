export interface ElectionTimerOptions {
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Counts the ticks in which nothing was heard of a leader, and says when they are too many. Raft paper §5.2. */
export class ElectionTimer {
  private readonly electionTicks: number;
  /** Half a heartbeat: 50 ms with etcd's defaults. Enough for a vote to come back before the next rank's turn. */
  private readonly windowTicks: number;
  private readonly random: () => number;
  private elapsed = 0;
  private timeout = 0;

  constructor(options: ElectionTimerOptions) {
    this.electionTicks = options.electionTicks;
    this.windowTicks = Math.max(1, Math.floor(options.heartbeatTicks / 2));
    this.random = options.random;
    this.startTimeout();
  }

  /** @returns whether the wait is over */
  tick(): boolean {
    this.elapsed++;
    return this.elapsed >= this.timeout;
  }

  /** The leader was heard: the wait begins anew. */
  resetElapsed(): void {
    this.elapsed = 0;
  }

  /** Whether the wait began less than the least election timeout ago. */
  get isWithinElectionTimeout(): boolean {
    return this.elapsed < this.electionTicks;
  }

  /** A normal election timeout, random in [electionTicks, 2 × electionTicks), so that members seldom tie. Raft paper §5.2. */
  startTimeout(): void {
    this.elapsed = 0;
    this.timeout = this.electionTicks + Math.floor(this.random() * this.electionTicks);
  }

  /** A short wait, for when the leader is known to be gone: members take turns, in windows by rank. */
  startTurn(turn: number): void {
    this.elapsed = 0;
    this.timeout = turn * this.windowTicks + Math.floor(this.random() * (this.windowTicks + 1));
  }
}

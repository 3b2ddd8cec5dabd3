/** The lengths of heartbeat intervals and election timeouts, in ticks. */
export interface Timing {
  /** The ticks between two heartbeats; half of it is the length of a turn. */
  readonly heartbeatTicks: number;
  /** The least election timeout; each wait is random in [electionTicks, 2 × electionTicks). */
  readonly electionTicks: number;
}

/** Counts ticks since the last message of a leader and tells when to campaign. Raft paper §5.2. */
export class ElectionTimer {
  private readonly electionTicks: number;
  /** The length of a turn: half a heartbeat interval, 50 ms with etcd's defaults. Longer than a vote takes to arrive. */
  private readonly turnTicks: number;
  private elapsed = 0;
  private timeout = 0;

  /** @param random returns a number in [0, 1) */
  constructor(
    { heartbeatTicks, electionTicks }: Timing,
    private readonly random: () => number,
  ) {
    this.electionTicks = electionTicks;
    this.turnTicks = Math.max(1, Math.floor(heartbeatTicks / 2));
    this.startTimeout();
  }

  /** Counts a tick. @returns whether the timeout has elapsed */
  tick(): boolean {
    this.elapsed++;
    return this.elapsed >= this.timeout;
  }

  /** Restarts the current timeout: a message from the leader arrived. */
  resetElapsed(): void {
    this.elapsed = 0;
  }

  /** Tells whether less than the least election timeout has elapsed. */
  get isWithinElectionTimeout(): boolean {
    return this.elapsed < this.electionTicks;
  }

  /** Starts a new election timeout, random in [electionTicks, 2 × electionTicks) so that split votes are rare. Raft paper §5.2. */
  startTimeout(): void {
    this.elapsed = 0;
    this.timeout = this.electionTicks + Math.floor(this.random() * this.electionTicks);
  }

  /** Starts the short wait for a turn, used when the leader's link has closed: members campaign one after the other, by rank. */
  startTurn(turn: number): void {
    this.elapsed = 0;
    this.timeout = turn * this.turnTicks + Math.floor(this.random() * (this.turnTicks + 1));
  }
}

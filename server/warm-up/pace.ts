/** The bounds of a warm-up. */
export interface WarmUpLimits {
  /** The time without work after which a warm-up may begin, or go on, in milliseconds. */
  readonly quietMs: number;
  /** Work of the member after which the warm-up ends for good: its own requests warm it up by now. */
  readonly mostWork: number;
  /** CPU time of the process after which the warm-up ends, in milliseconds. */
  readonly mostCpuMs: number;
  /** The longest time from the first slice to the last one, pauses included, in milliseconds. */
  readonly longestMs: number;
}

/** The state of a member and its process at one moment. */
export interface Observation {
  /** A monotonic time in milliseconds. */
  readonly nowMs: number;
  /** Grows with each request of a client, and with each entry that is applied. */
  readonly work: number;
  /** CPU time of the process in milliseconds. */
  readonly cpuMs: number;
}

/** The reason for which a warm-up has ended. */
export type WarmUpEnd = "complete" | "requests" | "stopped" | "cpu time" | "time";

/**
 * Decides when a member is idle enough for the next slice of its warm-up.
 *
 * With `quietMs` 200 and `mostWork` 500: a member that is ready at 0 ms goes at 200 ms. A request at 210 ms makes it wait until
 * 410 ms. 500 requests end the warm-up.
 */
export class WarmUpPace {
  private work: number;
  private readonly firstWork: number;
  private workedAt: number;
  private began: { readonly atMs: number; readonly cpuMs: number } | undefined;

  constructor(
    private readonly limits: WarmUpLimits,
    { nowMs, work }: Observation,
  ) {
    this.work = this.firstWork = work;
    this.workedAt = nowMs;
  }

  /** Tells whether the next slice may be carried out, or has to wait, or why none will follow. */
  look({ nowMs, work, cpuMs }: Observation): "go" | "wait" | Exclude<WarmUpEnd, "complete" | "stopped"> {
    const { quietMs, mostWork, mostCpuMs, longestMs } = this.limits;
    if (work !== this.work) this.workedAt = nowMs;
    this.work = work;
    if (work - this.firstWork >= mostWork) return "requests";
    if (this.began !== undefined && cpuMs - this.began.cpuMs >= mostCpuMs) return "cpu time";
    if (this.began !== undefined && nowMs - this.began.atMs >= longestMs) return "time";
    if (nowMs - this.workedAt < quietMs) return "wait";
    this.began ??= { atMs: nowMs, cpuMs };
    return "go";
  }
}

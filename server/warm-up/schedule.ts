/** The bounds of a warm-up. */
export interface WarmUpLimits {
  /** The time without work after which a warm-up begins or continues, in milliseconds. */
  readonly quietMs: number;
  /** The work after which the warm-up ends, because the member's own requests have warmed it up; see `Measurement.work`. */
  readonly maxWork: number;
  /** CPU time of the process after which the warm-up ends, in milliseconds. */
  readonly maxCpuMs: number;
  /** The longest time from the first slice to the last one, pauses included, in milliseconds. */
  readonly maxMs: number;
}

/** The state of a member and its process at one moment. */
export interface Measurement {
  /** A monotonic time in milliseconds. */
  readonly nowMs: number;
  /** The number of requests of clients plus the number of applied entries. */
  readonly work: number;
  /** CPU time of the process in milliseconds. */
  readonly cpuMs: number;
}

/** The reason for the end of a warm-up. */
export type WarmUpEnd = "complete" | "requests" | "stopped" | "cpu time" | "time";

/**
 * Decides when a member is idle enough for the next slice of its warm-up.
 *
 * Example with `quietMs` 200 and `maxWork` 500: a member is ready at 0 ms, so slices run from 200 ms on. A request at 210 ms delays
 * the next slice to 410 ms. After 500 requests the warm-up ends.
 */
export class WarmUpSchedule {
  private work: number;
  private readonly firstWork: number;
  private workedAt: number;
  private began: { readonly atMs: number; readonly cpuMs: number } | undefined;

  constructor(
    private readonly limits: WarmUpLimits,
    { nowMs, work }: Measurement,
  ) {
    this.work = this.firstWork = work;
    this.workedAt = nowMs;
  }

  /** Decides whether the next slice runs now or waits, or why the warm-up ends. */
  decide({ nowMs, work, cpuMs }: Measurement): "go" | "wait" | Exclude<WarmUpEnd, "complete" | "stopped"> {
    const { quietMs, maxWork, maxCpuMs, maxMs } = this.limits;
    if (work !== this.work) this.workedAt = nowMs;
    this.work = work;
    if (work - this.firstWork >= maxWork) return "requests";
    if (this.began !== undefined && cpuMs - this.began.cpuMs >= maxCpuMs) return "cpu time";
    if (this.began !== undefined && nowMs - this.began.atMs >= maxMs) return "time";
    if (nowMs - this.workedAt < quietMs) return "wait";
    this.began ??= { atMs: nowMs, cpuMs };
    return "go";
  }
}

import { longestTimerMs } from "../platform/index.js";
import { type DueTimer, TimerHeap } from "./timer-heap.js";
import type { Timeline } from "./timeline.js";

/** A callback counts as due this much early, because Node's timers may fire up to a millisecond early. */
const resolutionMs = 0.5;

/**
 * The machine's time, for simulated processes. All timers share one Node timer, which does not keep the process alive.
 */
export class MachineTime implements Timeline {
  private readonly start = performance.now();
  private readonly timers = new TimerHeap();
  private isClosed = false;
  /** Defined while callbacks are due now. */
  private immediate: NodeJS.Immediate | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** The time at which `timer` fires. */
  private timerAt = Infinity;

  get now(): number {
    return performance.now() - this.start;
  }

  after(ms: number, run: () => void): DueTimer {
    const timer = this.timers.add(this.now + Math.max(0, ms), run);
    if (ms < resolutionMs) this.arm();
    else if (timer.at < this.timerAt) this.arm();
    return timer;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  /** Drops all pending callbacks; no callback runs any more. */
  close(): void {
    this.isClosed = true;
    this.timers.clear();
    clearTimeout(this.timer);
    clearImmediate(this.immediate);
  }

  private arm(): void {
    const { first } = this.timers;
    if (this.isClosed || first === undefined || this.immediate !== undefined) return;
    const ms = first.at - this.now;
    if (ms < resolutionMs) this.immediate = setImmediate(() => this.run());
    else if (first.at !== this.timerAt) {
      clearTimeout(this.timer);
      this.timerAt = first.at;
      this.timer = setTimeout(
        () => {
          this.timerAt = Infinity;
          this.run();
        },
        Math.min(ms, longestTimerMs),
      );
      this.timer.unref();
    }
  }

  /**
   * Runs the due callbacks. Callbacks that they schedule run in the next turn of the event loop, so that other work can run in
   * between.
   */
  private run(): void {
    this.immediate = undefined;
    const due: DueTimer[] = [];
    const end = this.now + resolutionMs;
    for (let next = this.timers.first; next !== undefined && next.at <= end; next = this.timers.first) {
      this.timers.removeFirst();
      due.push(next);
    }
    for (const { run } of due) run?.();
    this.arm();
  }
}

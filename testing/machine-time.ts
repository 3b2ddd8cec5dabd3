import { type Appointment, Appointments } from "./appointments.js";
import type { Timeline } from "./timeline.js";

/** A callback counts as due this much early, because Node's timers may fire up to a millisecond early. */
const resolutionMs = 0.5;
/** The longest time of Node's timers. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * The machine's time, for simulated processes. All timers share one Node timer, which does not keep the process alive.
 */
export class MachineTime implements Timeline {
  private readonly start = performance.now();
  private readonly appointments = new Appointments();
  private isClosed = false;
  /** Defined while callbacks are due now. */
  private immediate: NodeJS.Immediate | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** The time at which `timer` fires. */
  private timerAt = Infinity;

  get now(): number {
    return performance.now() - this.start;
  }

  after(ms: number, run: () => void): Appointment {
    const appointment = this.appointments.add(this.now + Math.max(0, ms), run);
    if (ms < resolutionMs) this.arm();
    else if (appointment.at < this.timerAt) this.arm();
    return appointment;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  /** Drops all pending callbacks; no callback runs any more. */
  close(): void {
    this.isClosed = true;
    this.appointments.clear();
    clearTimeout(this.timer);
    clearImmediate(this.immediate);
  }

  private arm(): void {
    const { first } = this.appointments;
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
    const due: Appointment[] = [];
    const end = this.now + resolutionMs;
    for (let next = this.appointments.first; next !== undefined && next.at <= end; next = this.appointments.first) {
      this.appointments.removeFirst();
      due.push(next);
    }
    for (const { run } of due) run?.();
    this.arm();
  }
}

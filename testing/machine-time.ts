import { type Appointment, Appointments } from "./appointments.js";
import type { Timeline } from "./timeline.js";

/** Node's timers fire up to a millisecond early or late; below this, it is due. */
const resolutionMs = 0.5;
/** The longest time that a timer of Node waits. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * The machine's time, for simulated processes that run in it. All timers share one timer of Node's, which does not keep the process
 * alive.
 */
export class MachineTime implements Timeline {
  private readonly start = performance.now();
  private readonly appointments = new Appointments();
  private isClosed = false;
  /** Set while callbacks are due now. */
  private immediate: NodeJS.Immediate | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** The time that `timer` waits for. */
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

  /** Drops all that is still due; nothing runs any more. */
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

  /** Runs what is due. Callbacks that these ask for come in the next turn of the event loop, so that others run, too. */
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

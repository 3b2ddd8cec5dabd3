import { type DueTimer, Scheduler, type Timeline } from "../../index.js";

/** The longest virtual time of a wait. */
const longestWaitMs = 120_000;
/** Turns of the event loop without a due callback after which time passes. */
const settlingTurns = 20;
/** Turns of the event loop without a due callback after which no further callback is expected. */
const idleTurns = 1_000;

/** Steps at one virtual time after which an endless loop is assumed. */
const timelessSteps = 100_000;

/** Bounds of time that passes by itself. */
interface Passing {
  readonly maxMs: number;
  /** Turns of the event loop without a due callback after which time passes. */
  readonly settlingTurns: number;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A timeline that only passes when it is advanced; callbacks without a delay run nevertheless. */
export class VirtualTimeline implements Timeline {
  /** Whether time passes by itself, so that waits need not advance it. */
  isFlowing = false;
  private readonly scheduler = new Scheduler();
  /** The last task that advances time; tasks run one after the other. */
  private last: Promise<void> = Promise.resolve();
  private isRunning = false;
  private isArmed = false;
  private isClosed = false;

  get now(): number {
    return this.scheduler.now;
  }

  after(ms: number, run: () => void): DueTimer {
    const timer = this.scheduler.after(ms, run);
    if (timer.at <= this.scheduler.now) this.arm();
    return timer;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  /** Advances the time by `ms`. */
  advance(ms: number): Promise<void> {
    return this.runExclusively(async () => {
      await turn(); // earlier calls first run as far as they can without time
      await this.scheduler.runUntil(this.scheduler.now + ms, () => this.isClosed);
    });
  }

  /**
   * Advances the time until `isOver` returns true.
   *
   * @throws Error after a long virtual time
   */
  runUntil(isOver: () => boolean): Promise<void> {
    return this.runExclusively(() => this.pass(isOver, { maxMs: longestWaitMs, settlingTurns }));
  }

  /** Runs a whole simulation like `runUntil`: meanwhile time passes by itself, and no other call advances it. */
  async flowUntil(isOver: () => boolean, maxMs: number): Promise<void> {
    this.isFlowing = true;
    try {
      await this.runExclusively(() => this.pass(isOver, { maxMs, settlingTurns: 1 }));
    } finally {
      this.isFlowing = false;
    }
  }

  private async pass(isOver: () => boolean, { maxMs, settlingTurns: turns }: Passing): Promise<void> {
    const { scheduler } = this;
    const end = scheduler.now + maxMs;
    let timeless = 0;
    for (let idle = 0; !isOver() && !this.isClosed;) {
      // Work that only needs turns of the event loop is done before time passes.
      if (scheduler.isDue || idle >= turns) {
        const { now } = scheduler;
        if (await scheduler.step(end)) idle = 0;
        timeless = scheduler.now === now ? timeless + 1 : 0;
        if (timeless > timelessSteps)
          throw new Error(`Virtual time did not advance in ${timelessSteps} steps; is there a loop without a pause?`);
      }
      if (++idle > idleTurns) throw new Error(`Nothing happened in ${maxMs / 1_000} s of virtual time`);
      await turn();
    }
  }

  /** Ends the timeline: no callback runs any more. */
  close(): void {
    this.isClosed = true;
  }

  private runExclusively(pass: () => Promise<void>): Promise<void> {
    const passing = this.last.then(async () => {
      this.isRunning = true;
      try {
        await pass();
      } finally {
        this.isRunning = false;
        if (this.scheduler.isDue) this.arm();
      }
    });
    this.last = passing.catch(() => undefined);
    return passing;
  }

  /** Schedules the callbacks that are due now. */
  private arm(): void {
    if (this.isArmed || this.isRunning || this.isClosed) return;
    this.isArmed = true;
    setImmediate(() => {
      this.isArmed = false;
      if (this.isRunning || this.isClosed) return;
      void this.runExclusively(() => this.scheduler.runUntil(this.scheduler.now, () => this.isClosed));
    });
  }
}

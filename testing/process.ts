import type { Clock } from "../platform/index.js";
import type { Timeline } from "./timeline.js";

/** Input from outside a process, as an object, so that no function must be created for it. */
export interface Input {
  /** Handles the input, within the process. */
  arrive(): void;
}

/** A member's process, from its start to its end. It can be stopped and continued (SIGSTOP, SIGCONT), and it can die. */
export class SimProcess {
  isAlive = true;
  private isPaused = false;
  /** Callbacks that were due while the process was stopped. */
  private heldTimers: (() => void)[] = [];
  private heldInput: (() => void)[] = [];

  /** @param onCrash called with an error that the process threw and did not catch */
  constructor(
    readonly scheduler: Timeline,
    private readonly onCrash: (error: unknown) => void,
  ) {}

  /** Whether the process is neither dead nor stopped. */
  get isRunning(): boolean {
    return this.isAlive && !this.isPaused;
  }

  /** Passes input from outside to the process, such as a message or the end of a write. */
  receive(input: () => void): void {
    if (this.isPaused) this.heldInput.push(input);
    else this.run(input);
  }

  /** Passes input to the process like `receive`, for input that is an object. */
  receiveInput(input: Input): void {
    if (this.isPaused) this.heldInput.push(() => input.arrive());
    else if (this.isAlive)
      try {
        input.arrive();
      } catch (error) {
        this.onCrash(error);
      }
  }

  /** Calls back in the process after `ms`, unless the process is dead then. @returns a function that cancels the callback */
  after(ms: number, callback: () => void): () => void {
    if (!this.isAlive) return () => undefined;
    const fire = (): void => {
      if (timer.run === undefined) return; // canceled while the process was stopped
      if (this.isPaused) this.heldTimers.push(fire);
      else {
        timer.run = undefined;
        this.run(callback);
      }
    };
    const timer = this.scheduler.after(ms, fire);
    return () => void (timer.run = undefined);
  }

  /** Resolves after `ms` of the simulation's time; never, if the process dies before. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.scheduler.after(ms, () => this.receive(resolve)));
  }

  pause(): void {
    this.isPaused = true;
  }

  /**
   * Continues a stopped process.
   *
   * @param first which the event loop handles first; it depends on the point at which the process was stopped. With "input", the
   * callbacks for the end of its turn also run before the timers.
   */
  resume(first: "timers" | "input"): void {
    this.isPaused = false;
    const timers = this.heldTimers.splice(0);
    const input = this.heldInput.splice(0);
    if (first === "timers") this.runEach([...timers, ...input]);
    else {
      this.runEach(input);
      this.scheduler.after(0, () => this.runEach(timers));
    }
  }

  /** Runs callbacks one by one; promises settle between two callbacks, as between two turns of the event loop. */
  private runEach(held: readonly (() => void)[]): void {
    for (const run of held) this.scheduler.after(0, () => this.receive(run));
  }

  /** Ends the process: it receives no input, and no callback of it runs. */
  die(): void {
    this.isAlive = false;
    this.heldTimers = [];
    this.heldInput = [];
  }

  private run(callback: () => void): void {
    if (!this.isAlive) return;
    try {
      callback();
    } catch (error) {
      this.onCrash(error);
    }
  }
}

/** The monotonic clock of a machine: it has an arbitrary origin, and is a little too fast or too slow. */
export class ProcessClock implements Clock {
  /** @param rate the speed: 1.01 gains ten milliseconds a second */
  constructor(
    private readonly process: SimProcess,
    private readonly rate: number,
    private readonly start: number,
  ) {}

  now(): number {
    return this.start + this.process.scheduler.now * this.rate;
  }

  after(ms: number, callback: () => void): () => void {
    return this.process.after(Math.max(1, ms) / this.rate, callback); // Node's timers take at least a millisecond
  }

  every(ms: number, callback: () => void): () => void {
    let isOver = false;
    let cancel = (): void => undefined;
    const next = (): void => {
      cancel = this.after(ms, () => {
        callback();
        if (!isOver) next();
      });
    };
    next();
    return () => {
      isOver = true;
      cancel();
    };
  }

  soon(callback: () => void): void {
    this.process.after(0, callback);
  }
}

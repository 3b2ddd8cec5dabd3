import type { Clock } from "../platform/index.js";

interface Timer {
  at: number;
  readonly callback: () => void;
  /** The period of a repeated timer; undefined: the timer fires once. */
  readonly every: number | undefined;
}

/** A clock that only advances when a test advances it. */
export class VirtualClock implements Clock {
  private time = 0;
  private readonly timers = new Set<Timer>();
  private turn: (() => void)[] = [];

  now(): number {
    return this.time;
  }

  every(ms: number, callback: () => void): () => void {
    return this.add({ at: this.time + ms, callback, every: ms });
  }

  after(ms: number, callback: () => void): () => void {
    return this.add({ at: this.time + ms, callback, every: undefined });
  }

  soon(callback: () => void): void {
    this.turn.push(callback);
  }

  /** The number of timers that may still fire. */
  get pendingTimers(): number {
    return this.timers.size;
  }

  /** Runs the callbacks of `soon`, including those that they add. */
  runSoon(): void {
    while (this.turn.length > 0) for (const callback of this.turn.splice(0)) callback();
  }

  /** Advances the time; timers fire in order, each at its own time. */
  advance(ms: number): void {
    const end = this.time + ms;
    this.runSoon();
    for (let next = this.next(end); next !== undefined; next = this.next(end)) {
      this.time = Math.max(this.time, next.at);
      if (next.every === undefined) this.timers.delete(next);
      else next.at = this.time + next.every; // missed periods are skipped, as in Node
      next.callback();
      this.runSoon();
    }
    this.time = end;
  }

  /** Advances the time as in a stopped process: no timer fires, and all due timers are late. */
  freeze(ms: number): void {
    this.time += ms;
  }

  private add(timer: Timer): () => void {
    this.timers.add(timer);
    return () => void this.timers.delete(timer);
  }

  private next(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.timers) if (timer.at <= end && (first === undefined || timer.at < first.at)) first = timer;
    return first;
  }
}

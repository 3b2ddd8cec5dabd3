import type { Clock } from "../platform/index.js";

interface Timer {
  at: number;
  readonly callback: () => void;
  /** Again after so long; undefined: once. */
  readonly every: number | undefined;
}

/** A clock that stands still until it is told to go on. */
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

  /** Timers that were not cancelled and have not fired for the last time. */
  get pendingTimers(): number {
    return this.timers.size;
  }

  /** Runs what was asked for `soon`, and what that asks for. */
  settle(): void {
    while (this.turn.length > 0) for (const callback of this.turn.splice(0)) callback();
  }

  /** Lets time pass; timers fire in their order, each at its own time. */
  advance(ms: number): void {
    const end = this.time + ms;
    this.settle();
    for (let next = this.next(end); next !== undefined; next = this.next(end)) {
      this.time = Math.max(this.time, next.at);
      if (next.every === undefined) this.timers.delete(next);
      else next.at = this.time + next.every; // as in Node: what was missed is not made up for
      next.callback();
      this.settle();
    }
    this.time = end;
  }

  /** Time passes while nobody runs, as in a process that is stopped: no timer fires, all are late. */
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

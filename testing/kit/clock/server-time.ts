// The time of a test cluster: the machine's, or a virtual time that the test advances.

import { type Clock, longestTimerMs, systemClock } from "../../../platform/index.js";
import { MachineTime, ProcessClock, SimProcess, type Timeline } from "../../index.js";
import { type Duration, Lifetime, toMs } from "../base/index.js";
import { VirtualTimeline } from "./virtual-timeline.js";

/** The clock of a test server, which its members and its clients share. */
export interface TestClock {
  /** Milliseconds since the server was started. */
  now(): number;
  /**
   * Advances virtual time: all timers of members and clients fire in order, each at its own time, with their effects.
   *
   * @throws TypeError if the clock is the machine's
   */
  advance(duration: Duration): Promise<void>;
}

/** The time of a cluster: its clock, its timeline, and ways to wait. */
export interface ServerTime extends TestClock {
  readonly isVirtual: boolean;
  readonly timeline: Timeline;
  /** The lifetime of the server, which ends with `close()`. */
  readonly lifetime: Lifetime;
  /** The clock of clients in this process. */
  readonly clientClock: Clock;
  /** Waits for a promise that resolves as time passes; virtual time passes meanwhile. @throws Error when the server is closed */
  until<T>(promise: Promise<T>): Promise<T>;
  /**
   * Waits until `isTrue`, which is called repeatedly. Virtual time passes meanwhile.
   *
   * @param what the condition, for the error text
   * @throws Error if the wait takes longer than `timeout`
   */
  untilTrue(isTrue: () => boolean, what: string, timeout: Duration): Promise<void>;
  /** Ends the time: no timer fires any more. */
  close(): void;
}

/** Time between two checks of a condition. */
const lookMs = 2;

/** Resolves when `isTrue()` is true, which is checked in the time of `timeline`. */
const pollUntil = async (timeline: Timeline, isTrue: () => boolean, what: string, timeout: Duration): Promise<void> => {
  const end = timeline.now + toMs(timeout);
  while (!isTrue()) {
    if (timeline.now >= end) throw new Error(`Waited ${timeout} for ${what}, which did not happen`);
    await timeline.sleep(lookMs);
  }
};

/**
 * The machine's clock for clients in this process. As with a client's own clock, repeated timers do not keep the process alive; unlike
 * with that, endless waits do not either, because a test may have forgotten them. `StreamHold` keeps it alive for a while.
 */
const clientClock: Clock = {
  ...systemClock,
  every: (ms, callback) => {
    const timer = setInterval(callback, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
  after: (ms, callback) => (ms > longestTimerMs ? () => undefined : systemClock.after(ms, callback)),
};

/** The machine's time. */
export class RealServerTime implements ServerTime {
  readonly isVirtual = false;
  readonly clientClock = clientClock;
  readonly timeline = new MachineTime();
  readonly lifetime = new Lifetime();

  now(): number {
    return this.timeline.now;
  }

  advance(): Promise<void> {
    return Promise.reject(
      new TypeError('Cannot advance the machine\'s clock: start the server with { clock: "virtual" }'),
    );
  }

  /** Keeps the process alive meanwhile, because the timers of a test server do not. */
  async until<T>(promise: Promise<T>): Promise<T> {
    const awake = setInterval(() => undefined, 1_000);
    try {
      return await this.lifetime.during(promise);
    } finally {
      clearInterval(awake);
    }
  }

  untilTrue(isTrue: () => boolean, what: string, timeout: Duration): Promise<void> {
    return this.until(pollUntil(this.timeline, isTrue, what, timeout));
  }

  close(): void {
    this.timeline.close();
  }
}

/** Time that only passes when the test advances it. Callbacks without a delay run nevertheless. */
export class VirtualServerTime implements ServerTime {
  readonly isVirtual = true;
  readonly timeline = new VirtualTimeline();
  readonly lifetime = new Lifetime();
  readonly clientClock: Clock;

  constructor() {
    const client = new SimProcess(this.timeline, (error) => {
      throw error;
    });
    this.clientClock = new ProcessClock(client, 1, 0);
  }

  now(): number {
    return this.timeline.now;
  }

  async advance(duration: Duration): Promise<void> {
    const { timeline } = this;
    const ms = toMs(duration);
    await this.lifetime.during(timeline.isFlowing ? timeline.sleep(ms) : timeline.advance(ms));
  }

  until<T>(promise: Promise<T>): Promise<T> {
    return this.lifetime.during(this.timeline.isFlowing ? promise : this.passUntil(promise));
  }

  /** Makes time pass by itself until `promise` is settled. @throws Error if that takes longer than `maxMs` */
  async flow<T>(promise: Promise<T>, maxMs: number): Promise<T> {
    let isSettled = false;
    const settle = (): void => void (isSettled = true);
    promise.then(settle, settle);
    await this.timeline.flowUntil(() => isSettled, maxMs);
    return promise;
  }

  untilTrue(isTrue: () => boolean, what: string, timeout: Duration): Promise<void> {
    return this.until(pollUntil(this.timeline, isTrue, what, timeout));
  }

  close(): void {
    this.timeline.close();
  }

  private async passUntil<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => void (isSettled = true);
    promise.then(settle, settle);
    await this.timeline.runUntil(() => isSettled);
    return promise;
  }
}

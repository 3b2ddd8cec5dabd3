// Waiting for events of other processes: always for an event, never for a fixed time. Timeouts are given for a quiet machine, and scaled
// to the measured speed of this one.

import { setTimeout as delay } from "node:timers/promises";
import { remeasure, scaleMs } from "./machine-speed.js";

const pollMs = 20;

/** A deadline that is given for a quiet machine. */
export class Deadline {
  private readonly startedAt = performance.now();

  constructor(private readonly timeoutMs: number) {}

  /** Whether the deadline is over; measures the machine's speed again first, as it may have become slower. */
  get isOver(): boolean {
    if (this.remainingMs() > 0) return false;
    remeasure();
    return this.remainingMs() <= 0;
  }

  remainingMs(): number {
    return this.startedAt + scaleMs(this.timeoutMs) - performance.now();
  }

  /** Returns the text of the error for a missed deadline. */
  timeoutText(what: string): string {
    return `${what}: not within ${scaleMs(this.timeoutMs)} ms`;
  }
}

/**
 * Resolves as `promise` does.
 *
 * @param timeoutMs on a quiet machine
 * @throws Error naming `what` if that takes longer
 */
export const within = async <T>(timeoutMs: number, what: string, promise: Promise<T>): Promise<T> => {
  const deadline = new Deadline(timeoutMs);
  const giveUp = new AbortController();
  const failLate = async (): Promise<never> => {
    do await delay(Math.max(deadline.remainingMs(), 1), undefined, { signal: giveUp.signal });
    while (!deadline.isOver);
    throw new Error(deadline.timeoutText(what));
  };
  const expiry = failLate();
  expiry.catch(() => undefined); // aborted once `promise` has won
  try {
    return await Promise.race([promise, expiry]);
  } finally {
    giveUp.abort();
  }
};

/**
 * Calls `probe` repeatedly until it returns a value.
 * | @param timeoutMs on a quiet machine
 * @throws Error naming `what`, with the last failure of `probe` as cause, if that takes longer
 */
export const eventually = async <T>(
  timeoutMs: number,
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
): Promise<T> => {
  const deadline = new Deadline(timeoutMs);
  let failure: unknown;
  do {
    try {
      const result = await probe();
      if (result !== undefined) return result;
    } catch (error) {
      failure = error;
    }
    await delay(pollMs);
  } while (!deadline.isOver);
  throw new Error(deadline.timeoutText(what), { cause: failure });
};

// Lets callers wait for a change.
import type { Clock } from "./clock.js";
import { onAbort } from "./on-abort.js";

/** Lets callers wait until `wake` is called, which wakes all of them. Each then checks its own condition again. */
export class Wakeup {
  private readonly waiting = new Set<() => void>();

  constructor(private readonly clock: Clock) {}

  get hasWaiters(): boolean {
    return this.waiting.size > 0;
  }

  wake(): void {
    for (const resume of this.waiting) resume();
  }

  /**
   * Resolves when woken, when the time has passed, or when the signal is aborted. Keeps the process alive meanwhile, also with an
   * infinite `timeoutMs`: a connection that is still connecting does not, and the process would end during the wait.
   */
  wait(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const resume = () => {
        stopTimer();
        this.waiting.delete(resume);
        signal?.removeEventListener("abort", resume);
        resolve();
      };
      const stopTimer = this.clock.after(timeoutMs, resume);
      this.waiting.add(resume);
      if (signal !== undefined) onAbort(signal, resume);
    });
  }
}

/** Waits, at most until `signal` is aborted. */
export const sleep = (clock: Clock, milliseconds: number, signal?: AbortSignal): Promise<void> =>
  new Wakeup(clock).wait(milliseconds, signal);

// Waiting for something to change.
import type { Clock } from "./clock.js";
import { onAbort } from "./on-abort.js";

/** Lets callers wait until all are woken. Each then checks its own condition again. */
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
   * Resolves when woken, when the time is over, or when the signal is raised. Keeps the process alive meanwhile, also with an
   * infinite `timeoutMs`: a connection that is still being made does not, and the process would end in the middle of the wait.
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

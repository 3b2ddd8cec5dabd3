// Limits a wait by a signal, a time, or the loss of a lease, whichever comes first.
import { type Clock, EtcdError, onAbort } from "../transport/index.js";
import type { LeaseKeepAlive } from "../lease/index.js";

/** Limits of a wait. */
export interface WaitOptions {
  /** Limit of the wait, in milliseconds. Absent: none. */
  readonly timeoutMs?: number | undefined;
  /** Gives up waiting. A place in a queue is given up, too, with attempts for at most the timeout of a request. */
  readonly signal?: AbortSignal | undefined;
}

/** A signal that is aborted by the first of several reasons to stop waiting. */
export class WaitLimit {
  private readonly ending = new AbortController();
  private readonly cleanups: (() => void)[] = [];

  constructor(title: string, clock: Clock, { signal, timeoutMs }: WaitOptions) {
    const fail = (code: "cancelled" | "deadline-exceeded", why: string) =>
      new EtcdError(code, `Stopped waiting for ${title}: ${why}`, "failed", undefined, { cause: signal?.reason });
    if (signal !== undefined) this.endOn(signal, () => fail("cancelled", "the signal was aborted"));
    if (timeoutMs === undefined) return;
    const end = () => this.ending.abort(fail("deadline-exceeded", `${timeoutMs} ms are over`));
    this.cleanups.push(clock.after(timeoutMs, end));
  }

  get signal(): AbortSignal {
    return this.ending.signal;
  }

  /** The reason why the wait ended; undefined while it continues. */
  get reason(): Error | undefined {
    return this.ending.signal.reason as Error | undefined;
  }

  endWith({ lossSignal }: Pick<LeaseKeepAlive, "lossSignal">): void {
    this.endOn(lossSignal, () => lossSignal.reason as Error);
  }

  close(): void {
    for (const cleanup of this.cleanups) cleanup();
  }

  private endOn(signal: AbortSignal, reason: () => Error): void {
    const end = () => this.ending.abort(reason());
    this.cleanups.push(onAbort(signal, end));
  }
}

/** The maximum delay of Node's timers, in milliseconds: 24 days. With a longer one they fire at once. */
export const longestTimerMs = 2 ** 31 - 1;

/** Time and turns of the event loop, injected so that a simulator can run members in virtual time. */
export interface Clock {
  /** Monotonic milliseconds from an arbitrary start; never the wall clock. */
  now(): number;
  /** Calls `callback` every `ms` until the returned function is called. */
  every(ms: number, callback: () => void): () => void;
  /** Calls `callback` once after `ms`, unless the returned function is called first. */
  after(ms: number, callback: () => void): () => void;
  /** Calls `callback` once the events that are ready now have been handled. */
  soon(callback: () => void): void;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  every: (ms, callback) => {
    const timer = setInterval(callback, ms);
    return () => clearInterval(timer);
  },
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
  soon: (callback) => void setImmediate(callback),
};

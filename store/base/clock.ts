/** Time and turns of the event loop as the store needs them; given by whoever opens it, so that a test or a simulation owns them. */
export interface StoreClock {
  /** Monotonic milliseconds from an arbitrary start. */
  now(): number;
  setTimeout(callback: () => void, ms: number): unknown;
  /** Takes what `setTimeout` returned. */
  clearTimeout(timer: unknown): void;
  /** Calls `callback` once the events that are ready now have been handled. */
  soon(callback: () => void): void;
}

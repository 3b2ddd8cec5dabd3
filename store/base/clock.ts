/** Time and turns of the event loop for the store. The caller of `openStore` passes it: tests and simulations have virtual time. */
export interface StoreClock {
  /** Monotonic milliseconds from an arbitrary start. */
  now(): number;
  setTimeout(callback: () => void, ms: number): unknown;
  /** Cancels a timer that `setTimeout` returned. */
  clearTimeout(timer: unknown): void;
  /** Calls `callback` once the events that are ready now have been handled. */
  soon(callback: () => void): void;
}

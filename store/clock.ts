/** Time as the store needs it; given by whoever opens it, so that a test or a simulation owns it. */
export interface StoreClock {
  setTimeout(callback: () => void, ms: number): unknown;
  /** Takes what `setTimeout` returned. */
  clearTimeout(timer: unknown): void;
}

/** Lets everybody else run before long work goes on. */
export const pause = (clock: StoreClock): Promise<void> => new Promise((resolve) => void clock.setTimeout(resolve, 0));

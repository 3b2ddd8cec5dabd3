// Node's timers and abort signals, with the limits that they have.
import { setMaxListeners } from "node:events";

/** Calls `listener` once `signal` is raised, now if it is already. Any number of requests may share a signal. */
export function onAbort(signal: AbortSignal, listener: () => void): void {
  setMaxListeners(Infinity, signal); // Node takes more than ten for a leak, and warns
  signal.addEventListener("abort", listener);
  if (signal.aborted) listener();
}

/** The longest time that Node's timers wait; they fire at once when told to wait longer. */
const longestTimerMs = 2 ** 31 - 1;

/** Shortens a time to what a timer of Node's can wait. */
export const asTimer = (milliseconds: number) => Math.min(milliseconds, longestTimerMs);

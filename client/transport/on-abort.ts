// Abort signals, with the limits that Node's have.
import { setMaxListeners } from "node:events";

/** Calls `listener` once `signal` is raised, now if it is already. Any number of requests may share a signal. */
export function onAbort(signal: AbortSignal, listener: () => void): void {
  setMaxListeners(Infinity, signal); // Node takes more than ten for a leak, and warns
  signal.addEventListener("abort", listener);
  if (signal.aborted) listener();
}

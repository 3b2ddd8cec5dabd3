// Abort signals, with the limits that Node's have.
import { setMaxListeners } from "node:events";

/**
 * Calls `listener` once `signal` is raised, now if it is already. Any number of requests may share a signal, which may live longer than
 * all of them: each stops listening when it ends.
 *
 * @returns stops listening
 */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => undefined;
  if (signal.aborted) {
    listener();
    return () => undefined;
  }
  setMaxListeners(Infinity, signal); // Node takes more than ten for a leak, and warns
  signal.addEventListener("abort", listener);
  return () => signal.removeEventListener("abort", listener);
}

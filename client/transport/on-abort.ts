// Listens to abort signals, of which Node limits the number of listeners.
import { setMaxListeners } from "node:events";

/**
 * Calls `listener` when `signal` is aborted; at once if it is aborted already. Any number of requests may share a signal, which
 * may live longer than all of them: each request stops listening when it ends.
 *
 * @returns a function that stops listening
 */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => undefined;
  if (signal.aborted) {
    listener();
    return () => undefined;
  }
  setMaxListeners(Infinity, signal); // Node warns of a leak above ten listeners
  signal.addEventListener("abort", listener);
  return () => signal.removeEventListener("abort", listener);
}

// Waits for changes of keys, and makes names of new keys.
import { webcrypto } from "node:crypto";
import { CompactedError, EtcdError, retryUntil } from "../transport/index.js";
import { type Bytes, type GetResult, type GetSettings, toBytes } from "../kv/index.js";
import type { LineServices } from "./line.js";
import { WaitLimit, type WaitOptions } from "./wait-limit.js";

/** Runs a wait with limits. @throws EtcdError "cancelled" or "deadline-exceeded" if a limit ends the wait */
export async function runWait<T>(
  { clock }: LineServices,
  title: Bytes,
  options: WaitOptions,
  wait: (signal: AbortSignal, limit: WaitLimit) => Promise<T>,
): Promise<T> {
  const limit = new WaitLimit(Buffer.from(toBytes(title)).toString("latin1"), clock, options);
  try {
    return await wait(limit.signal, limit);
  } catch (error) {
    // An unknown outcome of a write takes precedence over the end of the wait.
    throw error instanceof EtcdError && error.outcome === "unknown" ? error : (limit.reason ?? error);
  } finally {
    limit.close();
  }
}

/** Reads keys; the request is sent again until it is answered. */
export const readUntil = (
  { kv, clock }: LineServices,
  key: Bytes,
  options: GetSettings,
  signal: AbortSignal,
): Promise<GetResult> => retryUntil(clock, { signal }, (limits) => kv.get(key, { ...options, ...limits }));

/** Resolves when there is an event at or after a revision, or when these events are compacted: the caller reads the keys again. */
export async function untilChanged(
  services: LineServices,
  key: Bytes,
  options: { readonly prefix?: boolean; readonly only?: "put" | "delete"; readonly startRevision: number },
  signal: AbortSignal,
): Promise<void> {
  try {
    await using watch = services.watch(key, { ...options, signal });
    await watch.batches().next();
  } catch (error) {
    if (!(error instanceof CompactedError)) throw error;
  }
}

/**
 * Returns a name for a key, in the format of etcd's recipes, a time in nanoseconds: the milliseconds of the wall clock and six
 * random digits.
 */
export const uniqueName = (): string => {
  const [bits = 0] = webcrypto.getRandomValues(new Uint32Array(1)); // a simulation replaces this function by seeded numbers
  return `${BigInt(Date.now()) * 1_000_000n + BigInt(bits % 1_000_000)}`;
};

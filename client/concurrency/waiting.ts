// Waiting for keys to change, and keys that nobody else has.
import { webcrypto } from "node:crypto";
import { CompactedError, EtcdError, retryUntil } from "../transport/index.js";
import { type Bytes, type GetResult, type GetSettings, toBytes } from "../kv/index.js";
import type { LineServices } from "./line.js";
import { WaitLimit, type WaitOptions } from "./wait-limit.js";

/** Runs a wait under its limits. @throws EtcdError "cancelled" or "deadline-exceeded" when these end it */
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
    // That a write may have been made is more than that the wait is over.
    throw error instanceof EtcdError && error.outcome === "unknown" ? error : (limit.reason ?? error);
  } finally {
    limit.close();
  }
}

/** Reads keys; sent again until it is answered. */
export const readUntil = (
  { kv, clock }: LineServices,
  key: Bytes,
  options: GetSettings,
  signal: AbortSignal,
): Promise<GetResult> => retryUntil(clock, { signal }, (limits) => kv.get(key, { ...options, ...limits }));

/** Resolves when there is an event from a revision on, or that is not known any more: the caller reads the keys again. */
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

/** A name like those of etcd's recipes, the time in nanoseconds: the milliseconds of the wall clock, and six random digits. */
export const uniqueName = (): string => {
  const [bits = 0] = webcrypto.getRandomValues(new Uint32Array(1)); // a simulation gives these by its seed
  return `${BigInt(Date.now()) * 1_000_000n + BigInt(bits % 1_000_000)}`;
};

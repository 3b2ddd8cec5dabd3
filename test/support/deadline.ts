// Waiting for events of other processes: always for something, never just for time to pass.

import { setTimeout as delay } from "node:timers/promises";

const pollMs = 20;

/**
 * Resolves as `promise` does.
 *
 * @throws Error naming `what` if that takes longer than `timeoutMs`
 */
export const within = async <T>(timeoutMs: number, what: string, promise: Promise<T>): Promise<T> => {
  const giveUp = new AbortController();
  const late = delay(timeoutMs, undefined, { signal: giveUp.signal }).then(() => {
    throw new Error(`${what}: not within ${timeoutMs} ms`);
  });
  late.catch(() => undefined); // aborted once `promise` has won
  try {
    return await Promise.race([promise, late]);
  } finally {
    giveUp.abort();
  }
};

/**
 * Asks again and again until `probe` gives something.
 *
 * @throws Error naming `what`, with the last failure of `probe` as cause, if that takes longer than `timeoutMs`
 */
export const eventually = async <T>(
  timeoutMs: number,
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
): Promise<T> => {
  const giveUpAt = Date.now() + timeoutMs;
  let failure: unknown;
  while (Date.now() < giveUpAt) {
    try {
      const result = await probe();
      if (result !== undefined) return result;
    } catch (error) {
      failure = error;
    }
    await delay(pollMs);
  }
  throw new Error(`${what}: not within ${timeoutMs} ms`, { cause: failure });
};

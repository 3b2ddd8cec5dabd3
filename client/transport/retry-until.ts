// Retries requests that may be sent again after an unknown outcome, because a repetition has no second effect.
import type { Clock } from "./clock.js";
import { EtcdError } from "./errors.js";
import type { RequestOptions } from "./options.js";
import { sleep } from "./wakeup.js";

/** Pause before a request is sent again. */
const pauseMs = 100;

/** The time is divided among this many attempts: a server that has just lost its leader may keep a request until its timeout. */
const tries = 3;

/**
 * Sends a request again while no server can answer it, until the signal is aborted or the time has passed.
 *
 * @param limits.timeoutMs limit of all attempts together; absent: none
 */
export async function retryUntil<T>(
  clock: Clock,
  { signal, timeoutMs = Infinity }: RequestOptions,
  request: (options: RequestOptions) => Promise<T>,
): Promise<T> {
  const deadline = clock.now() + timeoutMs;
  for (;;) {
    const left = deadline - clock.now();
    try {
      const tryMs = Math.ceil(Math.min(left, timeoutMs / tries));
      return await request({ signal, timeoutMs: tryMs === Infinity ? undefined : tryMs });
    } catch (error) {
      const mayPass = error instanceof EtcdError && ["unavailable", "deadline-exceeded"].includes(error.code);
      if (!mayPass || signal?.aborted || clock.now() + pauseMs >= deadline) throw error;
      await sleep(clock, pauseMs, signal);
    }
  }
}
